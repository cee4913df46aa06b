"""A server with listeners for agents, and accounts: written into the directory's store before the
server starts, as an import would. Two devices are known: HERE, which dials in, and KEPT, which is
in a group that nobody was granted."""

import contextlib
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import socket
import sqlite3
import ssl
import subprocess
import tempfile

from cencd import LIMIT_S, Modem, SystemTest, Task, free_low_ports, imei_of, read_exactly

NAME, SECRET = "petrov", "Quagga7Okapi"
HERE, AWAY, KEPT, UNKNOWN = 1, 2, 3, 999
FIRST_ID = 101  # of accounts; smaller ones are those that the server made itself


# ---- protobuf, as far as it is needed ----

def varint(number):
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def free_port():
    """Below those among which a server's other ports are chosen."""
    return free_low_ports(1)


def agent_row(identity, name, password, sources=(), extended=False, max_sessions=0):
    """id, revision, name, item and secret of an agent."""
    item = (field(1, name) + field(2, int(extended)) + field(6, identity) + field(7, 1) +
            b"".join(field(9, source) for source in sources) + field(10, max_sessions) +
            field(12, int(password is not None)))
    secret = None
    if password is not None:
        salt = secrets.token_bytes(16)
        made = hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=32)
        secret = (field(1, name) + field(2, 14) + field(3, 8) + field(4, 1) + field(5, salt) +
                  field(6, made) + field(7, identity) + field(8, 1))
    return identity, 1, name, item, secret


class Served(SystemTest):
    """ways: configuration of the listeners, by kind; the port is self.ports[kind]."""

    agents = [agent_row(FIRST_ID, NAME, SECRET)]

    def serve(self, *kinds, changes=None, **settings):
        self.ports = {kind: free_port() for kind in kinds}
        folder = tempfile.mkdtemp(prefix="state-", dir=os.environ["TMPDIR"])
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        listeners = [{"name": kind, "kind": kind, "address": f"127.0.0.1:{port}", **settings}
                     for kind, port in self.ports.items()]
        self.state = pathlib.Path(folder)
        self.server = self.cencd({"server": {"state_dir": folder},
                                  "sessions": {"half_close_s": 3},
                                  "direct_ports": {"anonymous": "refuse"},
                                  "agents": {"listeners": listeners}, **(changes or {})})
        for number in AWAY, KEPT:
            Modem(self.server, number).close()
        for number in AWAY, KEPT:
            self.server.wait_device(imei_of(number), "offline")
        path = self.state / "directory.sqlite"
        self.server.wait(lambda: self.stored(path) == 2, "the store has the devices")
        self.server.stop()
        self.add_accounts(path)
        self.server.start()
        self.here = self.modem(self.server, HERE)
        self.modem(self.server, KEPT)
        for number in HERE, KEPT:  # a new device counts when it is recorded
            self.server.wait_logged(msg="registered", serial=imei_of(number))
        return self.server

    @staticmethod
    def stored(path):
        with contextlib.closing(sqlite3.connect(path)) as store:
            return store.execute("SELECT count(*) FROM device").fetchone()[0]

    def add_accounts(self, path):
        with contextlib.closing(sqlite3.connect(path)) as store, store:
            store.executemany("REPLACE INTO agent VALUES (?, ?, ?, ?, ?)", self.agents)
            store.execute("INSERT INTO project VALUES (1, 1, 'north', ?)",
                          [field(1, "north") + field(3, 1) + field(4, 1)])
            store.execute("INSERT INTO device_group VALUES (1, 1, 'kept', ?)",
                          [field(1, "north") + field(2, "kept") + field(4, 1) + field(5, 1) +
                           field(6, 1)])
            store.execute("UPDATE device SET project_id = 1, group_id = 1 WHERE serial = ?",
                          [imei_of(KEPT)])
            store.execute("UPDATE last_id SET project = 1, device_group = 1, agent = ?",
                          [FIRST_ID + len(self.agents)])

    @staticmethod
    def make_certificate():
        """A listener's tls section; of 127.0.0.1, and its own authority."""
        base = pathlib.Path(os.environ["TMPDIR"]) / "listener"
        certificate, key = base.with_suffix(".pem"), base.with_suffix(".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=cencd",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                        certificate], check=True, capture_output=True)
        return {"certificate": str(certificate), "key": str(key)}

    def connect_tls(self, port, tls):
        context = ssl.create_default_context(cafile=tls["certificate"])
        return self.keep(context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), LIMIT_S), server_hostname="127.0.0.1"))

    def answer_http(self):
        """What the meter does: one answer to one HTTP request, which every client can ask."""
        def answer():
            request = b""
            while b"\r\n\r\n" not in request and (byte := read_exactly(self.here.socket, 1)):
                request += byte
            self.here.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n"
                           b"meter!")
            return request
        return Task(answer)

    def refused(self, layer, cause):
        self.server.wait_logged(msg="agent refused", layer=layer, cause=cause)

    def recorded(self, kind):
        """Bodies of the journal's events of this kind, with the device's serial."""
        output = subprocess.run([pathlib.Path(os.environ["CENCD_BUILD"]) / "cencctl", "journal",
                                 "dump", self.state / "journal", "--kind", kind],
                                capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout
        events = [json.loads(line) for line in output.splitlines()]
        return [dict(event[kind], serial=event.get("device", {}).get("serial"))
                for event in events]


def name_of(number):
    return imei_of(number) + ".meter"


def run(*arguments, **popen):
    """Exit code, output, errors, of a client that doesn't go astray by the environment."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.lower().endswith("_proxy")}
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT_S,
                            env=environment, check=False, **popen)
    return result.returncode, result.stdout, result.stderr
