#!/usr/bin/python3
"""A tour of cencd: starts the server and a fleet of simulated modems, shows what registered, and
reads two meters through their direct ports. Stays until Ctrl-C; with --once it ends after the
reading, with 0 if everything was seen, else naming the step that is missing.

usage: CENCD_BUILD=FOLDER demo.py [--once] [--devices N]

CENCD_BUILD is the build folder with cencd, bench/fleet and bench/reader (build/release of this
tree if it isn't set). Everything is on loopback, on free ports, with a temporary folder."""

import argparse
import ctypes
import json
import os
import pathlib
import random
import re
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
STEP_LIMIT_S = 60
STOP_LIMIT_S = 20
PR_SET_PDEATHSIG = 1

CONFIGURATION = """\
server:
  node: demo
  shards: {shards}
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
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    """The first of `count` free ports in a row, outside the range that the kernel uses itself."""
    path = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
    low, high = (int(word) for word in path.read_text(encoding="ascii").split())
    ranges = [(10000, low - 1), (high + 1, 65535), (1024, low - 1)]
    for first, last in ranges:
        for _ in range(50):
            if last - first + 1 < count:
                break
            start_port = random.randint(first, last - count + 1)
            if all(is_free(port) for port in range(start_port, start_port + count)):
                return start_port
    raise Missing(f"ports: no {count} free ports in a row")


# ---- the demo ----

class Demo:
    def __init__(self, options, build, folder):
        self.options = options
        self.build = build
        self.folder = folder
        self.log_path = folder / "cencd.log"
        self.server = None
        self.fleet = None
        ports = options.devices + 50
        self.listener_port = free_ports(ports + 2)
        self.ops_port = self.listener_port + 1
        self.direct_ports = (self.listener_port + 2, self.listener_port + 1 + ports)

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
        until = time.monotonic() + STEP_LIMIT_S
        while time.monotonic() < until:
            if found := look():
                return found
            self.check_alive(step)
            time.sleep(0.1)
        raise Missing(f"{step}: not within {STEP_LIMIT_S} s")

    def check_alive(self, step):
        for name, process in (("cencd", self.server), ("the fleet", self.fleet)):
            if process is not None and process.poll() is not None:
                raise Missing(f"{step}: {name} ended with {process.returncode}{self.log_tail()}")

    def log_tail(self):
        lines = self.log_path.read_text(errors="replace").splitlines()[-5:]
        return "".join("\n  " + line for line in lines)

    # -- steps --

    def start_server(self):
        path = self.folder / "cencd.yaml"
        path.write_text(CONFIGURATION.format(
            shards=min(4, os.cpu_count() or 1), links=max(1000, 2 * self.options.devices),
            first=self.direct_ports[0], last=self.direct_ports[1], ops=self.ops_port,
            listener=self.listener_port), encoding="ascii")
        with open(self.log_path, "wb") as log:
            self.server = start([self.build / "cencd", "--config", path], stdout=log, stderr=log)
        self.wait_for("the server is ready", lambda: self.get("/readyz") is not None)
        print(f"cencd is ready: modems dial in on 127.0.0.1:{self.listener_port}")

    def start_fleet(self):
        self.fleet = start([self.build / "bench" / "fleet",
                            "--server", f"127.0.0.1:{self.listener_port}",
                            "--devices", self.options.devices, "--first-imei", FIRST_IMEI,
                            "--meter", "mixed", "--encapsulated", ENCAPSULATED_PERCENT],
                           stdout=subprocess.DEVNULL)
        print(f"a fleet of {self.options.devices} iRZ modems dials in, with DLMS and "
              "IEC 62056-21 meters behind them")

    def registered(self):
        """The devices that are online, or None until all are."""
        page = self.get(f"/stats?devices={self.options.devices}")
        if page is None:
            return None
        devices = [device for device in json.loads(page)["devices"]
                   if device["state"] != "offline" and device["direct_port"]]
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
            out, errors = reader.communicate(timeout=STEP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Missing(f"{step}: not within {STEP_LIMIT_S} s") from None
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

    def show_numbers(self):
        page = self.get("/metrics")
        if page is None or "# TYPE " not in page:
            raise Missing("metrics: /metrics doesn't answer with any")
        print(f"\nmetrics:  curl http://127.0.0.1:{self.ops_port}/metrics"
              f"\nnumbers:  curl http://127.0.0.1:{self.ops_port}/stats?devices=20"
              f"\nlog:      {self.log_path}")

    def run(self):
        self.start_server()
        self.start_fleet()
        devices = self.wait_for("all devices registered", self.registered)
        self.show_table(devices)
        chosen = self.choose(devices)
        for protocol in ("dlms", "iec"):
            self.read_meter(protocol, chosen[protocol])
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
        for process in (self.fleet, self.server):
            if process is not None:
                code = stop(process)
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
    parser = argparse.ArgumentParser(prog="demo", description="A server, a fleet of modems, and "
                                     "two meters read through it.")
    parser.add_argument("--once", action="store_true", help="end after the reading")
    parser.add_argument("--devices", type=int, default=300, help="modems (default 300)")
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
