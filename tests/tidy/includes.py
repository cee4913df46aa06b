"""Who may include whom: the floors of the house (docs/architecture.md) as a table.

A file may include what is in its own folder, what the row of its folder allows, and system headers
that no rule below keeps for another room. Callbacks go up; includes only go down."""

import re

import tree

# The interface of plugins, which every floor from config on may include.
PLUGIN = ["plugins/plugin.h"]
REACTOR = ["server/base", "server/reactor"]
CONFIG = ["config", "plugins/loader.h"] + PLUGIN
# What writes events, from the directory on.
EVENTS = ["codec/proto", "server/journal"]

CODEC = ["codec", "codec/cosem", "codec/grpc", "codec/iec62056_21", "codec/modem", "codec/proto",
         "codec/proxy"]
# The host side of plugins shares their folder.
HOST = ["server/base", "plugins/descriptor.h", "plugins/loader.h", "plugins/plugin.h",
        "plugins/setting.h"]

# Folder -> folders (their files, not their subfolders) and single headers that it may include.
# The first row that is the file itself or a folder above it counts.
MAY_INCLUDE = {
    "codec": CODEC,
    "server/base": [],
    "plugins/plugin.h": [],
    "plugins/descriptor.c": HOST,
    "plugins/descriptor.h": HOST,
    "plugins/loader.c": HOST,
    "plugins/loader.h": HOST,
    "plugins/setting.c": HOST,
    "plugins/setting.h": HOST,
    "plugins": PLUGIN + CODEC,
    "config": HOST,
    "server/reactor/ring": REACTOR,
    "server/reactor/sim": REACTOR,
    "server/reactor": ["server/base"],
    "server/journal": REACTOR,
    "server/directory": REACTOR + CONFIG + EVENTS,
    "server/link": REACTOR + CONFIG + EVENTS + ["server/directory", "server/bridge"],
    "server/bridge": REACTOR + CONFIG + EVENTS + ["server/directory", "server/link"],
    "agents": REACTOR + CONFIG + EVENTS + ["codec/modem", "codec/proxy", "server/directory",
                                           "server/link", "server/bridge"],
    "server/redis": REACTOR + CONFIG + EVENTS + ["server/directory"],
    "server/northbound": REACTOR + CONFIG + EVENTS + ["codec/grpc", "server/directory",
                                                      "server/link"],
    "server/exchange": REACTOR + CONFIG + EVENTS + ["server/directory"],
    "server/shard": REACTOR + CONFIG + EVENTS + ["server/directory", "server/link",
                                                 "server/bridge", "server/redis", "agents"],
    "server/ops": REACTOR + CONFIG + EVENTS + ["server/directory", "server/link", "server/bridge",
                                               "server/redis", "agents", "server/shard",
                                               "server/northbound", "server/exchange"],
    "server/main.c": None,
    "bench/batch": REACTOR + CONFIG + ["server/directory"],
    "bench/directory": REACTOR + CONFIG + EVENTS + ["server/directory"],
    "bench/consumer": REACTOR + ["bench", "codec/grpc", "codec/proto", "server/journal"],
    "bench/storm_devices.c": REACTOR + CONFIG + EVENTS + ["server/directory", "bench"],
    "bench": REACTOR + ["server/reactor/ring", "bench", "bench/load"] + CODEC,
    "tests": None,
}

# Rooms whose files in the same folder are strangers: a built-in plugin knows no other plugin.
STRANGERS = ["plugins"]

# System header -> the only places that may include it.
KEPT_FOR = [
    (r"liburing", ["server/reactor/ring", "bench", "tests"]),
    (r"microhttpd", ["server/ops", "tests"]),
    (r"jansson", ["server/exchange", "server/ops", "agents/cencctl", "bench", "tests"]),
    (r"curl/", ["agents/cencctl", "tests"]),
    (r"yaml", ["config", "tests"]),
    (r"hiredis/", ["server/redis", "bench", "tests"]),
    (r"nghttp2", ["server/northbound", "bench", "tests"]),
    (r"sqlite3", ["server/directory", "server/northbound", "tests"]),
    (r"openssl/", ["server/reactor", "server/directory", "server/northbound", "tests"]),
    (r"sys/epoll|sys/select", ["bench", "tests"]),
    # hashes and wrapped keys: none of the doors outward may know their records
    (r"cenc/private/", ["codec/proto", "server/journal", "server/directory", "tests"]),
    (r"dlfcn", ["plugins/loader.c", "tests"]),
]

# Pure functions over bytes: no sockets, no clock, no threads.
PURE = ["codec", "plugins"]
IMPURE = re.compile(r"sys/socket|netinet/|arpa/|netdb|time\.h|unistd|pthread|fcntl|poll|signal")
# A registration plugin is called in a thread of its own and is there to reach outward.
IMPURE_ALLOWED = ["plugins/loader.c", "plugins/jsonl.c"]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def below(path, places):
    """True if path is one of the places or inside one of them."""
    return any(path == place or path.startswith(place + "/") for place in places)


def row_of(path):
    """The key of the row that counts for a file, or None."""
    while path:
        if path in MAY_INCLUDE:
            return path
        path = path.rpartition("/")[0]
    return None


def check_own(path, header, exists):
    """What is wrong with #include "header" in path, or None."""
    if not exists(header):
        return "not found from the root of the tree"
    row = row_of(path)
    if row is None:
        return "no row of the table in tests/tidy/includes.py is for this file"
    allowed = MAY_INCLUDE[row]
    folder = header.rpartition("/")[0]
    if allowed is None:
        return None
    if folder in allowed or header in allowed:
        return None
    own_pair = header == re.sub(r"\.c$", ".h", path)
    if own_pair or (folder == path.rpartition("/")[0] and row not in STRANGERS):
        return None
    return f"{row} must not include it"


def check_system(path, header):
    """What is wrong with #include <header> in path, or None."""
    for pattern, places in KEPT_FOR:
        if re.match(pattern, header) and not below(path, places):
            return "only for " + ", ".join(places)
    if below(path, PURE) and path not in IMPURE_ALLOWED and IMPURE.search(header):
        return "this room has pure functions only"
    return None


def check(path, text, exists):
    """All errors of one file, as lines "path:line: ..."."""
    errors = []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, header = match.groups()
        wrong = check_own(path, header, exists) if quote == '"' else check_system(path, header)
        if wrong:
            errors.append(f"{path}:{number}: #include {header}: {wrong}")
    return errors


def main():
    errors = []
    for path in tree.c_files():
        text = (tree.ROOT / path).read_text(encoding="utf-8")
        errors += check(path.as_posix(), text, lambda header: (tree.ROOT / header).is_file())
    tree.finish("includes", errors)


if __name__ == "__main__":
    main()
