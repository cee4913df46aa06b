"""The relays that are compared: how each is started on loopback with the same limits and pinned to
one core, and how the load generator reaches it."""

import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

RELAY_CORE, LOAD_CORE = 0, 1
NGINX_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
PATIENCE_S = 60  # for anything; nothing is measured by it
PR_SET_PDEATHSIG = 1
TCP_TIME_WAIT, TCP_LISTEN = "06", "0A"  # in /proc/net/tcp
SESSIONS = 10000
PROXY_SESSIONS = 9900  # two descriptors each, and RLIMIT_NOFILE is often 20,000

HAPROXY = """global
    nbthread 1
    maxconn {connections}
defaults
    mode tcp
    maxconn {connections}
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen bench
    bind 127.0.0.1:{front} backlog 4096
    server echo 127.0.0.1:{echo}
"""

NGINX = """load_module {module};
daemon off;
worker_processes 1;
{user}pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 19990; }}
stream {{
    server {{
        listen 127.0.0.1:{front} backlog=4096;
        proxy_pass 127.0.0.1:{echo};
        proxy_timeout 1h;
    }}
}}
"""

CENCD = """server:
  shards: {shards}
log:
  level: warn
limits:
  links: 150000
  unidentified: 150000
  unidentified_per_source: 150000
  sessions: {sessions}
links:
  flap_count: 1000
sessions:
  half_close_s: 0
direct_ports:
  range: {first_port}-{last_port}
  anonymous: allow
  address: 127.0.0.1
ops:
  address: 127.0.0.1:{echo}
listeners:
  - name: bench
    address: 127.0.0.1:{front}
    scope: bench
    plugins: [irz]
"""


class Failure(Exception):
    """What makes a measurement impossible, in one sentence."""


FIRST_PORT, LAST_PORT = 10000, 32767  # below what the kernel gives out by itself
# Of one of several tests that run at the same time.
OWN_PORTS = tuple(map(int, os.environ.get("CENCD_PORTS", "1-0").split("-")))
FEW_PORTS = 1200
taken_ports = set()


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_runs(count, lowest, highest=LAST_PORT):
    """Where count consecutive free ports begin, from lowest on."""
    starts, run = [], 0
    for port in range(lowest, highest + 1):
        run = run + 1 if port not in taken_ports and is_free(port) else 0
        if run >= count:
            starts.append(port - count + 1)
    return starts


def free_range(count):
    """The first of count consecutive ports on which nobody listens and which no call before gave
    out: a direct port is opened only when its device comes."""
    # few: near the end, out of the way of servers that take large ranges
    starts = (free_runs(count, *OWN_PORTS) or free_runs(count, LAST_PORT - 4 * FEW_PORTS) or
              free_runs(count, FIRST_PORT))
    if not starts:
        raise Failure(f"no {count} consecutive free ports from {FIRST_PORT} to {LAST_PORT}")
    first = random.choice(starts)
    taken_ports.update(range(first, first + count))
    return first


def pinned(core):
    """For Popen's preexec_fn: one core, and gone when this script is gone."""
    libc = ctypes.CDLL(None)

    def prepare():
        os.sched_setaffinity(0, {core})
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return prepare


def start_pinned(command, core, **options):
    """Starts a process on one core, in its own session (Ctrl-C is handled here, not there), and
    ahead of other work where the system allows it."""
    process = subprocess.Popen(command, preexec_fn=pinned(core), start_new_session=True, **options)
    try:
        os.setpriority(os.PRIO_PROCESS, process.pid, -20)
        pathlib.Path(f"/proc/{process.pid}/autogroup").write_text("-20")
    except OSError:
        pass
    return process


class Peer:
    """One relay. `pid` is the process that relays."""
    name = ""
    devices = False

    def __init__(self, tools, folder):
        self.tools = tools
        self.folder = pathlib.Path(folder)
        self.process = None
        self.pid = 0
        self.front = free_range(2)
        self.echo = self.front + 1

    def command(self):
        raise NotImplementedError

    def version(self):
        return ""

    def write(self, name, template, **values):
        path = self.folder / f"{self.name}-{self.front}-{name}"
        path.write_text(template.format(front=self.front, echo=self.echo, folder=self.folder,
                                        **values))
        return str(path)

    def give_ports_back(self):
        taken_ports.difference_update((self.front, self.echo))

    def start(self, allocations=None):
        """allocations: the file in which the preloaded counter counts, or None."""
        environment = dict(os.environ)
        if allocations:
            environment["LD_PRELOAD"] = str(self.tools["malloc_count"])
            environment["MALLOC_COUNT_FILE"] = str(allocations)
        self.log = self.folder / f"{self.name}-{self.front}.log"
        with open(self.log, "wb") as log:
            self.process = start_pinned(self.command(), RELAY_CORE, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_until_ready()
        self.pid = self.process.pid

    def wait_until_ready(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if self.listens():
                return
            time.sleep(0.02)
        raise Failure(f"{self.name} doesn't start; its last words: {self.last_words()}")

    def front_states(self):
        """States of all sockets of the front port. Looks without connecting: a connection would
        make a proxy call its backend."""
        wanted = f"0100007F:{self.front:04X}"
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table]
        return [row[3] for row in rows if row[1] == wanted]

    def listens(self):
        return TCP_LISTEN in self.front_states()

    def connections(self):
        """How many the last load left behind."""
        return sum(state not in (TCP_LISTEN, TCP_TIME_WAIT) for state in self.front_states())

    def last_words(self):
        """The end of what it wrote."""
        return self.log.read_text(errors="replace").strip()[-500:] or "nothing"

    def stop(self):
        self.give_ports_back()
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def for_mode(self, mode):
        """The relay to use for a mode of the load generator."""
        return self

    def load_arguments(self):
        arguments = ["--front", str(self.front), "--echo", str(self.echo), "--pid", str(self.pid)]
        return arguments + (["--devices"] if self.devices else [])


class Haproxy(Peer):
    name = "haproxy"

    def command(self):
        path = self.write("conf", HAPROXY, connections=PROXY_SESSIONS + 50)
        return [self.tools["haproxy"], "-db", "-f", path]

    def version(self):
        return first_line([self.tools["haproxy"], "-v"])


class Nginx(Peer):
    name = "nginx"

    def command(self):
        user = "user root;\n" if os.geteuid() == 0 else ""
        path = self.write("conf", NGINX, module=NGINX_MODULE, user=user)
        return [self.tools["nginx"], "-p", str(self.folder), "-e", "stderr", "-c", path]

    def start(self, allocations=None):
        super().start(allocations)
        self.pid = self.worker()

    def worker(self):
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        for _ in range(200):
            pids = pathlib.Path(children).read_text().split()
            if pids:
                return int(pids[0])
            time.sleep(0.02)
        raise Failure("nginx has no worker")

    def version(self):
        return first_line([self.tools["nginx"], "-v"])


class Limit(Peer):
    """The bare relay, for each kind of load with the buffers that suit it best: provided buffers
    are used in turn, so that all of them pass through the cache. Bulk has a process of its own."""
    name = "limit"
    buffers = ("1024", "2048")
    bulk = None

    def command(self):
        count, size = self.buffers
        return [self.tools["limit"], str(self.front), str(self.echo), "--pairs", "9990",
                "--buffers", count, "--buffer-size", size]

    def start(self, allocations=None):
        super().start(allocations)
        self.bulk = BulkLimit(self.tools, self.folder)
        self.bulk.start(allocations)

    def stop(self):
        super().stop()
        if self.bulk:
            self.bulk.stop()

    def for_mode(self, mode):
        return self.bulk if mode == "bulk" else self


class BulkLimit(Peer):
    name = "limit-bulk"

    def command(self):
        return [self.tools["limit"], str(self.front), str(self.echo), "--buffers", "16",
                "--buffer-size", "65536"]


class Cencd(Peer):
    """cencd; a table of 20,000 descriptors holds the links, agents and direct ports of one shard,
    so more of them need more shards."""
    name = "cencd"
    devices = True

    def __init__(self, tools, folder, shards=1, sessions=1100):
        super().__init__(tools, folder)
        self.shards = shards
        self.sessions = sessions
        self.first_port = free_range(sessions)

    def give_ports_back(self):
        super().give_ports_back()
        taken_ports.difference_update(range(self.first_port, self.first_port + self.sessions))

    def command(self):
        path = self.write("yaml", CENCD, shards=self.shards, sessions=self.sessions,
                          first_port=self.first_port,
                          last_port=self.first_port + self.sessions - 1)
        return [self.tools["cencd"], "--config", path]

    def connections(self):
        url = f"http://127.0.0.1:{self.echo}/stats?devices=0&failed=0"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            stats = json.load(answer)
        return sum(stats["links"].values()) + stats["sessions"]

    def version(self):
        return first_line([self.tools["cencd"], "--version"])


PEERS = {peer.name: peer for peer in (Cencd, Haproxy, Nginx, Limit)}


def first_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode(errors="replace").strip().split("\n")[0]


def find_tools(build, names):
    """Paths of everything the named peers need, or a Failure that says what to do."""
    build = pathlib.Path(build)
    tools = {"load": build / "bench/load", "malloc_count": build / "bench/libmalloc_count.so",
             "limit": build / "bench/limit", "cencd": build / "cencd"}
    for name in ("load", "malloc_count", *[name for name in names if name in tools]):
        if not tools[name].exists():
            raise Failure(f"{tools[name]} is missing: build first (./cenc build), or --build DIR")
    for name in ("haproxy", "nginx"):
        tools[name] = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if name in names and not tools[name]:
            raise Failure("missing: apt-get install haproxy nginx-light libnginx-mod-stream")
    if "nginx" in names and not os.path.exists(NGINX_MODULE):
        raise Failure("missing: apt-get install libnginx-mod-stream")
    return {name: str(path) for name, path in tools.items() if path}
