"""What the documentation must hold: links that lead somewhere, every key of the configuration in
config/cencd.yaml, every close reason and exit code in docs/operations.md and in the manual.

usage: CENCD_BUILD=FOLDER docs.py     (the folder with cencd)"""

import collections
import os
import pathlib
import re
import subprocess

import tree

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
KEY = re.compile(r"^    ([a-z][\w\[\].-]*\.[a-z]\w*): ", re.MULTILINE)
REASON = re.compile(r'^ +X\((\w+), "(\w+)", "(\w+)"', re.MULTILINE)
EXIT = re.compile(r"\bEXIT_\w+ = (\d+|EX_\w+)")


def anchors(text):
    """The anchors of a Markdown text's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links(path, text, read):
    """read gives the text of a file of the tree ("" for a folder), or None if there is none."""
    errors = []
    for target in LINK.findall(CODE.sub("", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        where = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        linked = text if not name else read(where)
        if linked is None:
            errors.append(f"{path}: link to {target}: there is no {where}")
        elif anchor and anchor not in anchors(linked):
            errors.append(f"{path}: link to {target}: no such heading")
    return errors


def check_keys(described, example):
    """described: what --help-config prints. Two sections may each have a key of one name: the
    example must have it as often."""
    keys = KEY.findall(described)
    if len(keys) < 10:
        return ["--help-config: its form has changed, its keys are not found"]
    names = collections.Counter(key.rpartition(".")[2] for key in keys)
    found = collections.Counter(re.findall(r"^[ #-]*([a-z]\w*):", example, re.MULTILINE))
    return [f"config/cencd.yaml: {name} is a key of --help-config {count} times, here {found[name]}"
            for name, count in names.items() if found[name] < count]


def check_reasons(header, operations):
    """header: server/link/reason.h."""
    reasons = REASON.findall(header)
    if len(reasons) < 10:
        return ["server/link/reason.h: its form has changed, the reasons are not found"]
    return [f"docs/operations.md: the close reason {layer}/{cause} is missing in the table"
            for _, layer, cause in reasons if f"| `{layer}/{cause}` |" not in operations]


def check_exits(source, operations, manual):
    """source: server/main.c."""
    codes = [int(code) if code.isdigit() else getattr(os, code) for code in EXIT.findall(source)]
    if len(codes) < 3:
        return ["server/main.c: its form has changed, the exit codes are not found"]
    errors = [f"docs/operations.md: the exit code {code} is missing in the table"
              for code in codes if f"\n| {code} |" not in operations]
    return errors + [f"docs/man/cencd.8: the exit code {code} is missing"
                     for code in codes if f"\n.B {code}\n" not in manual]


def read_tree(name):
    path = tree.ROOT / name
    if path.is_dir():
        return ""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main():
    errors = []
    for path in [pathlib.Path("README.md"), *tree.files()]:
        if path.suffix == ".md" and (path.parts[0] == "docs" or path.name == "README.md"):
            errors += check_links(path.as_posix(), read_tree(path), read_tree)
    described = subprocess.run([os.path.join(os.environ["CENCD_BUILD"], "cencd"), "--help-config"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout
    operations = read_tree("docs/operations.md")
    errors += check_keys(described, read_tree("config/cencd.yaml"))
    errors += check_reasons(read_tree("server/link/reason.h"), operations)
    errors += check_exits(read_tree("server/main.c"), operations, read_tree("docs/man/cencd.8"))
    tree.finish("docs", sorted(set(errors)))


if __name__ == "__main__":
    main()
