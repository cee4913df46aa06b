"""What the system tests share: a cencd of their own on free ports, its pages and its log, modems
that dial in, agents that connect. Nothing here measures time: whatever is waited for may take
LIMIT_S, and a wait that ends without it fails the test with the end of the server's log."""

import contextlib
import json
import os
import pathlib
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

LIMIT_S = 40
PROGRAM = pathlib.Path(os.environ["CENCD_BUILD"]) / "cencd"
KEEPALIVE = bytes.fromhex("B5BCBDBEBF")
FRAME = bytes.fromhex("C8CACBCCCD")
PASSWORD = "Zebra7Quagga"
# Of the module that runs (run.py), below the kernel's ephemeral ports.
FIRST_PORT, LAST_PORT = map(int, os.environ.get("CENCD_PORTS", "10000-32000").split("-"))
FIRST_LOW_PORT, LAST_LOW_PORT = map(int, os.environ.get("CENCD_LOW_PORTS", "5000-9999").split("-"))
SANITIZED = b"__asan_init" in PROGRAM.read_bytes() or b"__tsan_init" in PROGRAM.read_bytes()


def raise_descriptor_limit():
    """The tests' own sockets need descriptors, too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


raise_descriptor_limit()


# ---- ports ----

def is_free(port):
    """Of TCP, where connections that have ended don't count, and of UDP."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            stream.bind(("127.0.0.1", port))
            datagrams.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def giver_of_ports(first, last):
    """A function that returns the first of `count` free ports in a row. Each time they are further
    up, since what was given out before may be opened only later; after the last come the first."""
    at = random.randint(first, last)

    def give(count):
        nonlocal at
        for _ in range(last - first):
            if at + count > last + 1:
                at = first
            taken = [port for port in range(at, at + count) if not is_free(port)]
            given, at = at, taken[-1] + 1 if taken else at + count
            if not taken:
                return given
        raise AssertionError(f"no {count} free ports in a row")
    return give


free_ports = giver_of_ports(FIRST_PORT, LAST_PORT)
free_low_ports = giver_of_ports(FIRST_LOW_PORT, LAST_LOW_PORT)


# ---- waiting ----

def wait_until(condition, what, about=None):
    """Returns the first true value of condition(); about() is added to the failure."""
    deadline = time.monotonic() + LIMIT_S
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}\n{about() if about else ''}")
        time.sleep(0.02)
    return value


# ---- the server ----

def merged(base, changes):
    """base with changes put in; maps are merged, everything else is replaced."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            value = merged(result[key], value)
        result[key] = value
    return result


def parse_line(line):
    """The fields of a logfmt line as a dict; ValueError if it is none."""
    fields = {}
    at = 0
    pattern = re.compile(r'([a-z_][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^\s"=]*)(?: |$)')
    while at < len(line):
        match = pattern.match(line, at)
        if not match:
            raise ValueError(f"no logfmt from column {at + 1}: {line!r}")
        name, value = match.groups()
        if name in fields:
            raise ValueError(f"{name} twice: {line!r}")
        fields[name] = value[1:-1] if value.startswith('"') else value
        at = match.end()
    return fields


def parse_metrics(text):
    """{"name{labels}": value} of an exposition."""
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples


def ports_in(settings):
    """Ports of addresses of this machine, wherever in a configuration they stand."""
    if isinstance(settings, dict):
        address = settings.get("address")
        if isinstance(address, str) and address.startswith("127.0.0.1:"):
            yield int(address.rpartition(":")[2])
    if isinstance(settings, (dict, list)):
        for inner in settings.values() if isinstance(settings, dict) else settings:
            yield from ports_in(inner)


class Cencd:
    """A running server. The configuration is a map; YAML reads JSON. Unless a test says otherwise
    an agent's FIN ends its session at once, so that tests go on."""

    count = 0

    def __init__(self, changes=None, listener=None, ports=50, start=True, **popen):
        Cencd.count += 1
        first = free_ports(ports + 2)
        self.port = first
        self.ops_port = first + 1
        self.folder = pathlib.Path(os.environ["TMPDIR"])
        self.config_path = self.folder / f"cencd-{os.getpid()}-{Cencd.count}.yaml"
        self.log_path = self.config_path.with_suffix(".log")
        self.config = merged({
            "server": {"shards": 2},
            "sessions": {"half_close_s": 0},
            "ops": {"address": f"127.0.0.1:{self.ops_port}"},
            "direct_ports": {"range": f"{first + 2}-{first + 1 + ports}",
                             "anonymous": "allow"},
            "listeners": [merged({
                "name": "irz", "address": f"127.0.0.1:{self.port}",
                "plugins": [{"irz": {"hello_quiet_ms": 200}}],
            }, listener or {})],
        }, changes or {})
        self.config_path.write_text(json.dumps(self.config, indent=1))
        self.process = None
        self.popen = popen
        if start:
            self.start()

    # -- life --

    def start(self):
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen([PROGRAM, "--config", self.config_path],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            **self.popen)
        self.wait(self.is_ready, "the server is ready")

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"cencd ended: {self.process.returncode}\n{self.log()[-3000:]}")
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process is None or self.process.poll() is not None:
            return
        if kind is None:
            self.stop()
        else:
            self.process.kill()
            self.process.wait()

    def ports(self):
        """All that it may listen on."""
        first, last = map(int, self.config["direct_ports"].get("range", "1-0").split("-"))
        return {*range(first, last + 1), *ports_in(self.config)}

    def kill(self):
        """kill -9; the kernel takes a moment more to close what the rings of a process held."""
        self.process.kill()
        self.process.wait()
        wait_until(lambda: all(is_free(port) for port in self.ports()), "its ports are free")

    def stop(self):
        """In order; whatever happened before, the server ends with 0."""
        self.process.send_signal(signal.SIGTERM)
        self.ended(0)

    def ended(self, code):
        try:
            got = self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"cencd doesn't end\n{self.log()[-3000:]}") from None
        if got != code:
            raise AssertionError(f"cencd ended with {got}, not {code}\n{self.log()[-5000:]}")

    def wait(self, condition, what):
        return wait_until(condition, what, lambda: self.log()[-3000:])

    # -- what it says --

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_lines(self):
        """All whole lines, parsed."""
        return [parse_line(line) for line in self.log().split("\n")[:-1]]

    def logged(self, **fields):
        """Lines with these fields."""
        return [line for line in self.log_lines()
                if all(line.get(name) == value for name, value in fields.items())]

    def wait_logged(self, count=1, **fields):
        return self.wait(lambda: len(lines := self.logged(**fields)) >= count and lines,
                         f"log lines with {fields}")

    def request(self, path, method="GET", body=None, headers=None):
        """(status, headers, text)"""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ops_port}{path}", body,
                                         headers or {}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=LIMIT_S) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def get(self, path):
        status, _, text = self.request(path)
        return status, text

    def stats(self, devices=100, failed=100, start=0):
        status, text = self.get(f"/stats?devices={devices}&failed={failed}&from={start}")
        if status != 200:
            raise AssertionError(f"/stats: {status} {text}")
        return json.loads(text)

    def metrics(self):
        return parse_metrics(self.get("/metrics")[1])

    def metric(self, name):
        """The sum over shards and other labels that name doesn't tell."""
        return sum(value for key, value in self.metrics().items()
                   if key == name or key.startswith(name + "{"))

    def closed(self, layer, cause):
        return self.stats(devices=0, failed=0)["close_reasons"][f"{layer}/{cause}"]

    def wait_closed(self, layer, cause, count=1):
        self.wait(lambda: self.closed(layer, cause) >= count,
                  f"{count} closed because of {layer}/{cause}")

    def device(self, imei):
        """The row of a device, or None."""
        for row in self.stats()["devices"]:
            if row["serial"] == imei:
                return row
        return None

    def wait_device(self, imei, state="idle"):
        """The device's row once it is in this state; online devices' ports are open, too."""
        def there():
            row = self.device(imei)
            return row if row and row["state"] == state else None
        return self.wait(there, f"{imei} is {state}")

    def wait_registered(self, modem):
        """A new device is shown before it is recorded, and known when it is. Of that only the log
        tells."""
        words = f'serial={modem.imei} msg="registered"', " peer=%s:%d " % modem.socket.getsockname()
        if self.config.get("log", {}).get("level", "info") in ("info", "debug"):
            self.wait(lambda: any(all(word in line for word in words)
                                  for line in self.log().split("\n")), f"{words} in the log")

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def run(*arguments, **popen):
    """Runs cencd to its end: (exit code, stdout, stderr)."""
    result = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True,
                            timeout=LIMIT_S, **popen)
    return result.returncode, result.stdout, result.stderr


# ---- connections ----

def connect(port, source=None, host="127.0.0.1"):
    return socket.create_connection((host, port), LIMIT_S,
                                    source_address=(source, 0) if source else None)


def connect_patiently(port, source=None):
    """A direct port opens a moment after its device was seen online."""
    def attempt():
        try:
            return connect(port, source)
        except ConnectionRefusedError:
            return None
    return wait_until(attempt, f"port {port} is open")


def read_exactly(connection, size):
    """size bytes, or fewer if the other side closes."""
    data = bytearray()
    while len(data) < size and (part := connection.recv(min(size - len(data), 1 << 16))):
        data += part
    return bytes(data)


def read_to_end(connection):
    data = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            data += part
    return bytes(data)


def is_closed(connection):
    """Waits for FIN or reset, whatever comes before."""
    read_to_end(connection)
    return True


def imei_of(number):
    return f"8684410{number:08d}"


def hello(imei, password=PASSWORD, encapsulated=False, csq=16):
    colprot = "COLPROT=1.3," if encapsulated else ""
    return (f"AT$IMEI={imei},PSW={password},TYP=ATM,DEV=ATM21,VER=01,REV=04,BLD=024.254,HDW=2.0,"
            f"SIM=0,CSQ={csq},{colprot}ATP=1.1,INT=485+232,\n").encode()


def frame(payload, kind=1):
    return FRAME + bytes([kind]) + len(payload).to_bytes(2, "big") + payload + b"\r\n"


class Modem:
    """A device that dialled in, as seen from the meter's side."""

    def __init__(self, server, number, source=None, encapsulated=False, register=True):
        self.imei = imei_of(number)
        self.encapsulated = encapsulated
        self.socket = connect(server.port, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.socket.sendall(hello(self.imei, encapsulated=encapsulated))
        if register:
            server.wait_registered(self)
        self.row = server.wait_device(self.imei) if register else None
        if encapsulated and register:
            greeting = read_exactly(self.socket, 24)
            if not re.fullmatch(rb"\d{14},MOD=DAT,\r", greeting):
                raise AssertionError(f"greeting: {greeting!r}")

    @property
    def direct_port(self):
        return self.row["direct_port"]

    def agent(self, source=None):
        if not self.direct_port:
            raise AssertionError(f"{self.imei} has no direct port")
        return connect_patiently(self.direct_port, source)

    def send(self, data):
        if self.encapsulated:
            data = b"".join(frame(data[at:at + 1400]) for at in range(0, len(data), 1400))
        self.socket.sendall(data)

    def receive(self, size):
        """size bytes for the meter, or fewer if the server closes."""
        if not self.encapsulated:
            return read_exactly(self.socket, size)
        data = bytearray()
        while len(data) < size:
            head = read_exactly(self.socket, 8)
            if not head:
                break
            if head[:6] != FRAME + b"\x01":
                raise AssertionError(f"no data frame: {head.hex()}")
            body = read_exactly(self.socket, int.from_bytes(head[6:], "big") + 2)
            data += body[:-2]
        return bytes(data)

    def close(self):
        self.socket.close()

    def reset(self):
        """RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


class Task(threading.Thread):
    """A thread whose result, or exception, comes out of result()."""

    def __init__(self, function, *arguments):
        super().__init__(daemon=True)
        self.function, self.arguments = function, arguments
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.arguments)
        except BaseException as error:  # told by result()
            self.error = error

    def result(self):
        self.join(LIMIT_S)
        if self.is_alive():
            raise AssertionError(f"{self.function.__name__} doesn't end")
        if self.error:
            raise self.error
        return self.value


def exchange(agent, modem, size):
    """Random bytes both ways at once; AssertionError if one arrives otherwise."""
    to_device, to_agent = random.randbytes(size), random.randbytes(size)
    tasks = [Task(agent.sendall, to_device), Task(modem.send, to_agent),
             Task(modem.receive, size), Task(read_exactly, agent, size)]
    _, _, at_device, at_agent = [task.result() for task in tasks]
    if at_device != to_device:
        raise AssertionError("the device got other bytes than the agent sent")
    if at_agent != to_agent:
        raise AssertionError("the agent got other bytes than the device sent")


def ping(agent, modem, text=b"ping"):
    """One small exchange."""
    agent.sendall(text)
    if (got := modem.receive(len(text))) != text:
        raise AssertionError(f"the device got {got!r}")
    modem.send(text[::-1])
    if (got := read_exactly(agent, len(text))) != text[::-1]:
        raise AssertionError(f"the agent got {got!r}")


class SystemTest(unittest.TestCase):
    """Servers and connections of a test are ended with it."""

    def cencd(self, *arguments, **keywords):
        return self.enterContext(Cencd(*arguments, **keywords))

    def keep(self, closable):
        self.addCleanup(closable.close)
        return closable

    def modem(self, server, number, **keywords):
        return self.keep(Modem(server, number, **keywords))

    def agent(self, modem, source=None):
        return self.keep(modem.agent(source))

    def connection(self, port, source=None):
        return self.keep(connect(port, source))
