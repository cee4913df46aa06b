"""The server is killed at random moments while devices dial in and last gasps arrive, and starts
again: the journal is whole, its numbers have neither gap nor repeat, what was in it stays as it was,
each last gasp that was answered is in it, and each device that was shown with a direct port has that
port again. CENCD_KILLS says how often (8)."""

import collections
import json
import os
import pathlib
import random
import socket
import subprocess
import threading
import time
import unittest

import cencd

KILLS = int(os.environ.get("CENCD_KILLS", "8"))
DEVICES = 300
OVERLAP = 2000  # records that are looked at again after each kill; all of them in the end
PATTERN = {"pattern": {"last_gasp": "PWRFAIL,(id)", "push_answer": "OK"}}
PROGRAM = cencd.PROGRAM.with_name("cencctl")


class Crowd(threading.Thread):
    """Devices that dial in again and again, in random order, whether anybody answers or not."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.ending = False
        self.sockets = []

    def dial(self):
        device = socket.socket()
        device.settimeout(1)
        try:
            device.connect(("127.0.0.1", self.port))
            device.sendall(cencd.hello(cencd.imei_of(random.randrange(DEVICES))))
        except OSError:  # nobody there, or killed
            device.close()
            time.sleep(0.02)
            return
        self.sockets.append(device)
        if len(self.sockets) > DEVICES // 2:
            self.sockets.pop(random.randrange(len(self.sockets))).close()

    def run(self):
        while not self.ending:
            self.dial()
            time.sleep(0.002)

    def close(self):
        self.ending = True
        self.join()
        for device in self.sockets:
            device.close()


class Gasper(threading.Thread):
    """Sends last gasps of known and unknown devices, one at a time, and counts those that were
    answered."""

    def __init__(self, port, first):
        super().__init__(daemon=True)
        self.port = port
        self.ending = False
        self.first = first
        self.answered = collections.Counter()
        self.device = None

    def open(self):
        self.device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.device.connect(("127.0.0.1", self.port))
        self.device.settimeout(0.2)

    def say(self, serial):
        """An answer that comes too late must not be taken for the next gasp's: that one goes out of
        another socket."""
        if self.device is None:
            self.open()
        try:
            self.device.send(f"PWRFAIL,{serial}".encode())
            if self.device.recv(100) == b"OK":
                self.answered[serial] += 1
        except OSError:  # nobody there, or killed
            self.device.close()
            self.device = None
            time.sleep(0.02)

    def run(self):
        number = 0
        while not self.ending:
            number += 1
            unknown = f"{self.first + number:015}"
            self.say(random.choice([cencd.imei_of(random.randrange(DEVICES)), unknown]))
            time.sleep(0.004)

    def close(self):
        self.ending = True
        self.join()
        if self.device:
            self.device.close()


class Kill(cencd.SystemTest):
    def setUp(self):
        self.folder = pathlib.Path(os.environ["TMPDIR"], f"state-{os.getpid()}")
        self.folder.mkdir()
        self.ports = {}  # by serial: told once, kept for ever
        self.lines = []  # of all dumps
        self.gaspers = []
        self.gasps = collections.Counter()  # in the journal, by serial

    def server(self):
        server = cencd.Cencd({"server": {"state_dir": str(self.folder)},
                              "journal": {"segment_mb": 1}}, ports=DEVICES + 20, start=False)
        server.config["listeners"].append(
            {"name": "gasps", "address": f"127.0.0.1:{server.port}", "transport": "udp",
             "receive_buffer_bytes": 1 << 20, "plugins": [PATTERN]})
        server.config_path.write_text(json.dumps(server.config))
        self.addCleanup(self.end, server)
        return server

    @staticmethod
    def end(server):
        if server.process and server.process.poll() is None:
            server.process.kill()
            server.process.wait()

    def note_ports(self, server):
        """What is shown is a promise."""
        rows = server.stats(devices=1000)["devices"]
        for row in rows:
            if row["direct_port"]:
                port = self.ports.setdefault(row["serial"], row["direct_port"])
                self.assertEqual(row["direct_port"], port, row["serial"])
        return {row["serial"]: row["direct_port"] for row in rows}

    def journal(self, command, *arguments):
        done = subprocess.run([PROGRAM, "journal", command, self.folder / "journal", *arguments],
                              capture_output=True, text=True, timeout=cencd.LIMIT_S, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
        return done.stdout

    def check_journal(self, overlap=OVERLAP):
        answered = sum((gasper.answered.copy() for gasper in self.gaspers), collections.Counter())
        self.journal("verify")
        known = max(0, len(self.lines) - overlap)
        lines = self.journal("dump", "--from", str(known + 1)).splitlines()
        numbers = [int(json.loads(line)["sequence"]) for line in lines]
        self.assertEqual(numbers, list(range(known + 1, known + 1 + len(lines))))
        self.assertEqual(lines[:len(self.lines) - known], self.lines[known:])
        self.gasps.update(row["device"]["serial"]
                          for row in map(json.loads, lines[len(self.lines) - known:])
                          if "last_gasp" in row)
        self.lines[known:] = lines
        self.assertEqual(answered - self.gasps, collections.Counter(), "answered, not recorded")

    def check_ports(self, server):
        shown = self.note_ports(server)
        lost = {serial: port for serial, port in self.ports.items() if shown.get(serial) != port}
        self.assertEqual(lost, {})
        self.assertEqual(len(set(self.ports.values())), len(self.ports), "a port of two devices")

    def live(self, server, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.note_ports(server)
            time.sleep(random.random() * 0.1)

    def test_killed_again_and_again(self):
        server = self.server()
        crowd = Crowd(server.port)
        self.addCleanup(crowd.close)
        crowd.start()
        for number in range(4):
            gasper = Gasper(server.port, number * 10 ** 9)
            self.addCleanup(gasper.close)
            self.gaspers.append(gasper)
            gasper.start()
        for _ in range(KILLS):
            server.start()
            self.check_ports(server)
            self.live(server, random.random() * 2)
            server.kill()
            self.check_journal()
        server.start()
        self.check_ports(server)
        server.wait(lambda: len(self.note_ports(server)) > DEVICES // 2, "devices dial in")
        server.stop()
        self.check_journal(overlap=len(self.lines))
        self.assertIn("sealed", self.journal("verify"))
        self.assertGreater(len(self.lines), KILLS * DEVICES // 10, "hardly anything was recorded")
        answered = sum(sum(gasper.answered.values()) for gasper in self.gaspers)
        self.assertGreater(answered, KILLS, "hardly a last gasp was answered")
        print(f"{KILLS} kills, {len(self.lines)} records, {answered} last gasps answered")


if __name__ == "__main__":
    unittest.main()
