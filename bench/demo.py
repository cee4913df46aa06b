#!/usr/bin/python3
"""A tour of cencd: starts a redis-server, the server and a fleet of simulated modems, shows what
registered, and reads two meters through their direct ports. Then a neighbourhood loses its power:
redis-cli shows the last gasps, and that they are over when power is back. Stays until Ctrl-C; with
--once it ends then, with 0 if everything was seen, else naming the step that is missing.

usage: CENCD_BUILD=FOLDER demo.py [--once] [--devices N] [--limit-s N] [--ports FIRST-LAST]

CENCD_BUILD is the build folder with cencd, bench/fleet and bench/reader (build/release of this
tree if it isn't set). Everything is on loopback, on free ports, with a temporary folder."""

import argparse
import ctypes
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

FIRST_IMEI = 868441030000001
ENCAPSULATED_PERCENT = 40
ENCAPSULATING_MODEL = "ATM31"  # what the fleet calls modems that encapsulate
TABLE_ROWS = 12
PROFILE_ROWS = 4  # shown of a load profile
GASP_ROWS = 3
NEIGHBOURHOOD = 3  # one in so many modems loses its power ...
NEIGHBOURHOOD_MAX = 100  # ... but no more than these
STOP_LIMIT_S = 20
PR_SET_PDEATHSIG = 1

CONFIGURATION = """\
server:
  node: demo
  shards: {shards}
  state_dir: {state}
redis:
  url: redis://127.0.0.1:{redis}/0
limits:
  links: {links}
direct_ports:
  range: {first}-{last}
  anonymous: allow
ops:
  address: 127.0.0.1:{ops}
listeners:
  - name: irz
    address: 127.0.0.1:{listener}
    scope: irz
    plugins:
      - irz
  - name: gasps
    transport: udp
    address: 127.0.0.1:{listener}
    scope: irz
    plugins:
      - pattern:
          last_gasp: "PWRFAIL,(id)"
"""


class Missing(Exception):
    """A step that didn't happen, and why."""


class Stopped(Exception):
    """Somebody wants the demo to end."""


# ---- processes ----

LIBC = ctypes.CDLL(None)


def die_with_parent():
    """In a child: it is ended when the demo is gone, however that came about."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def start(command, **options):
    """Starts a process that Ctrl-C doesn't reach by itself: the demo stops it in order."""
    # the demo has one thread, so a function between fork and exec does no harm
    return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                            start_new_session=True, preexec_fn=die_with_parent, **options)


def stop(process):
    """Ends a process in order, or, if it doesn't, at once. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


# ---- ports ----

def is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def port_ranges():
    """Ports outside the range that the kernel uses itself."""
    path = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
    low, high = (int(word) for word in path.read_text(encoding="ascii").split())
    return [(10000, low - 1), (high + 1, 65535), (1024, low - 1)]


def parse_ports(text):
    first, last = (int(word) for word in text.split("-"))
    return [(first, last)]


def free_ports(ranges, count):
    """The first of `count` free ports in a row."""
    for first, last in ranges:
        for _ in range(50):
            if last - first + 1 < count:
                break
            start_port = random.randint(first, last - count + 1)
            if all(is_free(port) for port in range(start_port, start_port + count)):
                return start_port
    raise Missing(f"ports: no {count} free ports in a row")


def listening_ports():
    """Of TCP; connecting to a direct port would be asking for its device."""
    listening = "0A"
    rows = [line.split() for line in
            pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == listening}


# ---- the demo ----

class Demo:
    def __init__(self, options, build, folder):
        self.options = options
        self.build = build
        self.folder = folder
        self.log_path = folder / "cencd.log"
        self.redis = None
        self.server = None
        self.fleet = None
        ports = options.devices + 50
        self.listener_port = free_ports(options.ports or port_ranges(), ports + 3)
        self.ops_port = self.listener_port + 1
        self.redis_port = self.listener_port + 2
        self.direct_ports = (self.listener_port + 3, self.listener_port + 2 + ports)
        self.dark = min(NEIGHBOURHOOD_MAX, max(1, options.devices // NEIGHBOURHOOD))

    # -- asking --

    def get(self, path):
        """Body of a page of the server, or None."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}{path}",
                                        timeout=10) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.URLError):
            return None

    def wait_for(self, step, look):
        """Until look() gives something; a server or fleet that ended is not waited for."""
        until = time.monotonic() + self.options.limit_s
        while time.monotonic() < until:
            if found := look():
                return found
            self.check_alive(step)
            time.sleep(0.1)
        raise Missing(f"{step}: not within {self.options.limit_s} s")

    def check_alive(self, step):
        for name, process in (("cencd", self.server), ("the fleet", self.fleet),
                              ("redis-server", self.redis)):
            if process is not None and process.poll() is not None:
                raise Missing(f"{step}: {name} ended with {process.returncode}{self.log_tail()}")

    def log_tail(self):
        if not self.log_path.exists():
            return ""
        lines = self.log_path.read_text(errors="replace").splitlines()[-5:]
        return "".join("\n  " + line for line in lines)

    # -- Redis --

    def redis_cli(self, *arguments):
        """What redis-cli says, or None."""
        try:
            answer = subprocess.run(["redis-cli", "-p", str(self.redis_port), *arguments],
                                    stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                    timeout=self.options.limit_s, check=False)
        except subprocess.TimeoutExpired:
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    def show_redis(self, *arguments):
        command = shlex.join(["redis-cli", "-p", str(self.redis_port), *arguments])
        print(f"  $ {command}")
        for line in (self.redis_cli(*arguments) or "").splitlines():
            print(f"  {line}")

    def gasps(self):
        """How many last gasps count in Redis, or None."""
        answer = self.redis_cli("ZCARD", "cencd:gasps")
        return int(answer) if answer and answer.isdigit() else None

    # -- steps --

    def start_redis(self):
        for program in ("redis-server", "redis-cli"):
            if shutil.which(program) is None:
                raise Missing(f"{program}: it is in the Debian packages redis-server, redis-tools")
        folder = self.folder / "redis"
        folder.mkdir()
        with open(folder / "log", "wb") as log:
            self.redis = start(["redis-server", "--port", self.redis_port, "--bind", "127.0.0.1",
                                "--dir", folder, "--save", "", "--appendonly", "no"],
                               stdout=log, stderr=log)
        self.wait_for("redis-server answers", lambda: self.redis_cli("PING") == "PONG")

    def start_server(self):
        path = self.folder / "cencd.yaml"
        path.write_text(CONFIGURATION.format(
            shards=min(4, os.cpu_count() or 1), links=max(1000, 2 * self.options.devices),
            first=self.direct_ports[0], last=self.direct_ports[1], ops=self.ops_port,
            state=self.folder / "state", redis=self.redis_port, listener=self.listener_port),
            encoding="ascii")
        with open(self.log_path, "wb") as log:
            self.server = start([self.build / "cencd", "--config", path], stdout=log, stderr=log)
        self.wait_for("the server is ready", lambda: self.get("/readyz") is not None)
        print(f"cencd is ready: modems dial in on 127.0.0.1:{self.listener_port}")

    def start_fleet(self):
        self.fleet = start([self.build / "bench" / "fleet",
                            "--server", f"127.0.0.1:{self.listener_port}",
                            "--devices", self.options.devices, "--first-imei", FIRST_IMEI,
                            "--meter", "mixed", "--encapsulated", ENCAPSULATED_PERCENT,
                            "--reconnect-s", "1,3", "--neighbourhood", self.dark,
                            "--gasp", f"127.0.0.1:{self.listener_port}"],
                           stdout=subprocess.DEVNULL)
        print(f"a fleet of {self.options.devices} iRZ modems dials in, with DLMS and "
              "IEC 62056-21 meters behind them")

    def registered(self):
        """The devices that are online with an open port, or None until all are."""
        page = self.get(f"/stats?devices={self.options.devices}")
        if page is None:
            return None
        open_ports = listening_ports()
        devices = [device for device in json.loads(page)["devices"]
                   if device["state"] != "offline" and device["direct_port"] in open_ports]
        if len(devices) < self.options.devices:
            return None
        return sorted(devices, key=lambda device: device["serial"])

    def show_table(self, devices):
        row = "  {:<17} {:<7} {:>11} {:>7}  {}"
        print(f"\n{len(devices)} devices registered, for example:\n")
        print(row.format("serial", "model", "direct port", "signal", "state"))
        for device in devices[:TABLE_ROWS]:
            print(row.format(device["serial"], device["model"], device["direct_port"],
                             device["signal_csq"], device["state"]))

    def choose(self, devices):
        """A DLMS meter behind a modem that encapsulates and an IEC meter behind one that doesn't;
        in a small fleet as near to that as there is."""
        chosen = {}
        for protocol, parity, encapsulated in (("dlms", 0, True), ("iec", 1, False)):
            with_meter = [device for device in devices
                          if (int(device["serial"]) - FIRST_IMEI) % 2 == parity]
            wanted = [device for device in with_meter
                      if (device["model"] == ENCAPSULATING_MODEL) == encapsulated]
            if not with_meter:
                raise Missing(f"no {protocol} meter registered")
            chosen[protocol] = (wanted or with_meter)[0]
        return chosen

    def read_meter(self, protocol, device):
        step = f"the {protocol} meter was read"
        port = device["direct_port"]
        way = "encapsulated" if device["model"] == ENCAPSULATING_MODEL else "plain"
        print(f"\n{protocol} meter behind modem {device['serial']} ({device['model']}, {way}), "
              f"through its direct port {port}:\n")
        reader = start([self.build / "bench" / "reader", "--connect", f"127.0.0.1:{port}",
                        "--meter", protocol, *(["--profile"] if protocol == "dlms" else [])],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, errors = reader.communicate(timeout=self.options.limit_s)
        except subprocess.TimeoutExpired:
            raise Missing(f"{step}: not within {self.options.limit_s} s") from None
        finally:
            stop(reader)
        if reader.returncode != 0:
            raise Missing(f"{step}: {errors.strip()}{self.log_tail()}")
        for wanted in (r"^serial \d+$", r"^active energy import total \d+\.\d+ kWh$", "^clock "):
            if not re.search(wanted, out, re.MULTILINE):
                raise Missing(f"{step}: its answer has no line like {wanted}")
        values = [line for line in out.splitlines() if not line.startswith("  ")]
        rows = [line for line in out.splitlines() if line.startswith("  ")]
        print("\n".join("  " + line for line in values + rows[-PROFILE_ROWS:]))

    def fail_power(self):
        print(f"\npower fails in a neighbourhood: {self.dark} modems send their last gasp by UDP "
              "and are gone\n")
        self.fleet.send_signal(signal.SIGUSR1)
        self.wait_for(f"{self.dark} last gasps are in Redis", lambda: self.gasps() == self.dark)
        self.show_redis("ZCARD", "cencd:gasps")
        self.show_redis("ZREVRANGE", "cencd:gasps", "0", str(GASP_ROWS - 1), "WITHSCORES")
        self.show_device("last_gasp")

    def show_device(self, *fields):
        self.show_redis("HMGET", f"cencd:device:irz:{FIRST_IMEI}", "model", *fields)

    def return_power(self):
        print("\npower is back: they dial in again, and the gasps are over\n")
        self.fleet.send_signal(signal.SIGUSR2)
        self.wait_for("all last gasps are over in Redis", lambda: self.gasps() == 0)
        self.wait_for("all devices registered again", self.registered)
        self.show_redis("ZCARD", "cencd:gasps")
        self.show_device("last_gasp", "state")

    def show_numbers(self):
        page = self.get("/metrics")
        if page is None or "# TYPE " not in page:
            raise Missing("metrics: /metrics doesn't answer with any")
        print(f"\nmetrics:  curl http://127.0.0.1:{self.ops_port}/metrics"
              f"\nnumbers:  curl http://127.0.0.1:{self.ops_port}/stats?devices=20"
              f"\nRedis:    redis-cli -p {self.redis_port} --scan --pattern 'cencd:*'"
              f"\npower:    kill -USR1 {self.fleet.pid} fails it, kill -USR2 brings it back"
              f"\nlog:      {self.log_path}")

    def run(self):
        self.start_redis()
        self.start_server()
        self.start_fleet()
        devices = self.wait_for("all devices registered", self.registered)
        self.show_table(devices)
        chosen = self.choose(devices)
        for protocol in ("dlms", "iec"):
            self.read_meter(protocol, chosen[protocol])
        self.fail_power()
        self.return_power()
        self.show_numbers()
        if self.options.once:
            return
        print(f"reader:   {self.build / 'bench' / 'reader'} --connect "
              f"127.0.0.1:{devices[-1]['direct_port']}\n\nCtrl-C ends everything.", flush=True)
        while True:
            self.check_alive("staying up")
            time.sleep(0.5)

    def close(self):
        """Stops what runs; the server's exit code tells whether it could stop in order."""
        take_signals(signal.SIG_IGN)  # it ends anyway; nothing may be left behind
        code = 0
        for process in (self.fleet, self.server, self.redis):
            if process is not None:
                ended = stop(process)
                code = ended if process is self.server else code
        return code


def take_signals(handler):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def on_signal(number, _frame):
    take_signals(signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)


def tour(options, build):
    """Returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="cencd-demo-") as name:
        demo = None
        failed = None
        try:
            demo = Demo(options, build, pathlib.Path(name))
            demo.run()
        except Missing as missing:
            failed = f"missing step: {missing}"
        except Stopped as stopped:
            print(f"\nstopping ({stopped})")
            failed = "missing step: stopped before its end" if options.once else None
        finally:
            code = demo.close() if demo is not None else 0
        if failed is None and code != 0:
            failed = f"missing step: cencd stops in order: it ended with {code}{demo.log_tail()}"
        if failed is not None:
            print(f"demo: {failed}", file=sys.stderr)
            return 1
    if options.once:
        print("\neverything was seen")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="demo", description="A server, a fleet of modems, two "
                                     "meters read through it, and a power failure.")
    parser.add_argument("--once", action="store_true", help="end when all was seen")
    parser.add_argument("--devices", type=int, default=300, help="modems (default 300)")
    parser.add_argument("--limit-s", type=int, default=60, metavar="N",
                        help="how long a step may take (default 60)")
    parser.add_argument("--ports", type=parse_ports, metavar="FIRST-LAST",
                        help="where to look for free ports (default: outside the kernel's own)")
    options = parser.parse_args()
    if not 2 <= options.devices <= 5000:
        parser.error("--devices: expected 2 to 5000")
    fallback = pathlib.Path(__file__).resolve().parent.parent / "build" / "release"
    build = pathlib.Path(os.environ.get("CENCD_BUILD", fallback)).resolve()
    for program in ("cencd", "bench/fleet", "bench/reader"):
        if not os.access(build / program, os.X_OK):
            sys.exit(f"demo: {build / program} is missing; ./cenc build makes it")
    sys.stdout.reconfigure(line_buffering=True)
    take_signals(on_signal)
    try:
        code = tour(options, build)
    except Stopped:
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
