"""The fleet's modems and meters, and the reader, against each other, without cencd: a small relay
takes its place. What the meters show follows from their IMEI and the time, so the values are
known."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

BENCH = pathlib.Path(os.environ["CENCD_BUILD"]) / "bench"
FIRST_IMEI = 868441030000001
MAGIC = bytes.fromhex("C8CACBCCCD")
KEEPALIVE = bytes.fromhex("B5BCBDBEBF")
LIMIT_S = 60  # for anything; nothing here is about how long it takes


class Modem:
    """The server's end of one device's connection: the hello is taken, frames are undone."""

    def __init__(self, connection):
        connection.settimeout(LIMIT_S)
        self.connection = connection
        hello = b""
        while not hello.endswith(b"INT=485+232,"):
            hello += self.some()
        self.hello = hello.decode()
        self.encapsulated = "COLPROT=" in self.hello
        self.rest = b""
        self.keepalives = 0
        self.controls = []
        if self.encapsulated:
            connection.sendall(b"20260131120000,MOD=DAT,\r")

    def some(self):
        data = self.connection.recv(4096)
        if not data:
            raise ConnectionError("the modem has gone")
        return data

    def imei(self):
        return int(re.search(r"AT\$IMEI=(\d+),", self.hello)[1])

    def send(self, data, kind=1):
        if self.encapsulated:
            data = MAGIC + bytes([kind]) + len(data).to_bytes(2, "big") + data + b"\r\n"
        self.connection.sendall(data)

    def take_frame(self):
        """(type, payload) of the frame at the front of what came, or None."""
        if len(self.rest) < 8:
            return None
        if self.rest[:5] != MAGIC:
            raise ValueError(f"no frame: {self.rest[:8].hex()}")
        size = int.from_bytes(self.rest[6:8], "big")
        if len(self.rest) < size + 10:
            return None
        kind, payload = self.rest[5], self.rest[8:8 + size]
        if self.rest[8 + size:10 + size] != b"\r\n":
            raise ValueError("a frame without its end")
        self.rest = self.rest[size + 10:]
        return kind, payload

    def receive(self):
        """The next bytes of the meter; may be empty, when something else came."""
        data = self.some()
        if not self.encapsulated:
            while data.startswith(KEEPALIVE):
                self.keepalives += 1
                data = data[5:]
            return data
        self.rest += data
        meter = b""
        while frame := self.take_frame():
            kind, payload = frame
            if kind == 1:
                meter += payload
            elif kind == 2 and payload == KEEPALIVE:
                self.keepalives += 1
            else:
                self.controls.append((kind, payload))
        return meter


class Relay:
    """Joins whoever connects to `port` with the modem, one after the other."""

    def __init__(self, modem):
        self.modem = modem
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.agent = None
        self.threads = [threading.Thread(target=run, daemon=True)
                        for run in (self.from_agents, self.from_modem)]
        for thread in self.threads:
            thread.start()

    def from_agents(self):
        while True:
            try:
                agent = self.listener.accept()[0]
            except OSError:
                return
            self.agent = agent
            try:
                while data := agent.recv(4096):
                    self.modem.send(data)
            except OSError:
                pass
            self.agent = None
            agent.close()

    def from_modem(self):
        try:
            while True:
                data = self.modem.receive()
                agent = self.agent
                if data and agent:
                    agent.sendall(data)
        except (OSError, ConnectionError):
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.modem.connection.close()


class ReaderTest(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(LIMIT_S)
        self.addCleanup(self.server.close)

    def start_fleet(self, *options, devices=1):
        fleet = subprocess.Popen(
            [BENCH / "fleet", "--server", "127.0.0.1:%d" % self.server.getsockname()[1],
             "--devices", str(devices), "--json", *options],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, fleet)
        return fleet

    def stop(self, fleet):
        """Whatever a test did, the fleet ends in order."""
        if fleet.poll() is None:
            fleet.terminate()
        try:
            fleet.communicate(timeout=LIMIT_S)
        finally:
            fleet.kill()
        self.assertEqual(fleet.returncode, 0)

    def accept_modem(self):
        modem = Modem(self.server.accept()[0])
        self.addCleanup(modem.connection.close)
        return modem

    def relay(self, modem):
        relay = Relay(modem)
        self.addCleanup(relay.close)
        return relay

    def read(self, port, *options):
        """What the reader says: (exit code, stdout, stderr)."""
        run = subprocess.run([BENCH / "reader", "--connect", f"127.0.0.1:{port}", *options],
                             capture_output=True, text=True, timeout=LIMIT_S, check=False)
        return run.returncode, run.stdout, run.stderr

    def read_values(self, port, *options):
        code, out, errors = self.read(port, "--json", *options)
        self.assertEqual((code, errors), (0, ""))
        reading = json.loads(out)
        return reading, {value["name"]: (value["value"], value["unit"])
                         for value in reading["values"]}

    def check_values(self, values, serial):
        self.assertEqual(values["serial"], (str(serial), ""))
        self.assertRegex(values["active energy import total"][0], r"^\d+\.\d+$")
        self.assertEqual(values["active energy import total"][1], "kWh")
        clock = time.mktime(time.strptime(values["clock"][0], "%Y-%m-%d %H:%M:%S"))
        now = time.mktime(time.gmtime())
        self.assertLess(abs(now - clock), LIMIT_S)

    def test_dlms(self):
        """Both ways of long answers: even serials answer in blocks, odd ones in HDLC segments."""
        for first in (FIRST_IMEI, FIRST_IMEI + 1):
            with self.subTest(imei=first):
                self.start_fleet("--meter", "dlms", "--first-imei", str(first))
                modem = self.accept_modem()
                self.assertEqual(modem.imei(), first)
                self.assertFalse(modem.encapsulated)
                reading, values = self.read_values(self.relay(modem).port, "--meter", "dlms",
                                                   "--profile")
                self.check_values(values, 10000000 + first % 10000000)
                self.assertEqual(values["meter"][0], "EKT%013d" % (10000000 + first % 10000000))
                self.check_profile(reading["profile"], values)

    def check_profile(self, profile, values):
        self.assertEqual(profile["period_s"], 3600)
        self.assertEqual([column["name"] for column in profile["columns"]],
                         ["clock", "active energy import total"])
        self.assertEqual(profile["columns"][1]["unit"], "kWh")
        self.assertEqual(len(profile["rows"]), 24)
        times = [row[0] for row in profile["rows"]]
        self.assertEqual(times, sorted(times))
        self.assertTrue(all(text.endswith(":00:00") for text in times))
        energies = [float(row[1]) for row in profile["rows"]]
        energies.append(float(values["active energy import total"][0]))
        self.assertEqual(energies, sorted(energies))
        self.assertGreater(energies[-1], energies[0])

    def test_iec(self):
        self.start_fleet("--meter", "iec")
        port = self.relay(self.accept_modem()).port
        reading, values = self.read_values(port, "--meter", "iec")
        self.assertEqual(reading["protocol"], "iec")
        self.check_values(values, 10000001)
        self.assertEqual(values["meter"][0], "EKT CE102Mv01")
        # and in words, for people
        code, out, _ = self.read(port, "--meter", "iec")
        self.assertEqual(code, 0)
        self.assertIn("\nserial 10000001\n", out)
        self.assertRegex(out, r"\nactive energy import total \d+\.\d\d kWh\n")

    def test_encapsulated_in_pieces(self):
        """Frames, random pieces and a keepalive inside every answer; DLMS and IEC 62056-21."""
        self.start_fleet("--meter", "mixed", "--encapsulated", "100", "--fragment",
                         "--keepalive-in-answers", "100", devices=2)
        modems = sorted((self.accept_modem() for _ in range(2)), key=Modem.imei)
        for modem, protocol in zip(modems, ("dlms", "iec")):
            self.assertTrue(modem.encapsulated)
            reading, values = self.read_values(self.relay(modem).port, "--meter", protocol)
            self.assertEqual(reading["protocol"], protocol)
            self.check_values(values, 10000000 + modem.imei() % 10000000)
            self.assertGreaterEqual(modem.keepalives, 4)

    def test_auto(self):
        self.start_fleet("--meter", "mixed", devices=2)
        modems = sorted((self.accept_modem() for _ in range(2)), key=Modem.imei)
        for modem, protocol in zip(modems, ("dlms", "iec")):
            reading, values = self.read_values(self.relay(modem).port, "--timeout-s", "6")
            self.assertEqual(reading["protocol"], protocol)
            self.check_values(values, 10000000 + modem.imei() % 10000000)

    def test_control(self):
        """An encapsulating modem answers a question for its signal with the hello's."""
        self.start_fleet("--encapsulated", "100")
        modem = self.accept_modem()
        signal_csq = int(re.search(r"CSQ=(\d+),", modem.hello)[1])
        modem.send(bytes.fromhex("004001"), kind=0x0C)
        while not modem.controls:
            modem.receive()
        self.assertEqual(modem.controls, [(0x0C, bytes([0x01, 0x40, 0x01, signal_csq]))])

    def test_keepalive_when_idle(self):
        self.start_fleet("--keepalive-s", "1")
        modem = self.accept_modem()
        while modem.keepalives < 2:
            self.assertEqual(modem.receive(), b"")

    def test_greeting_of_a_plain_modem(self):
        """A server may greet modems without COLPROT, too: the meter doesn't see it."""
        self.start_fleet("--meter", "echo")
        modem = self.accept_modem()
        modem.send(b"20260131120000,MOD=DAT,\r")
        modem.send(b"abc")
        self.assertEqual(modem.receive(), b"abc")

    def test_echo(self):
        data = os.urandom(300000).replace(KEEPALIVE, b"")
        for percent in ("0", "100"):
            with self.subTest(encapsulated=percent):
                self.start_fleet("--meter", "echo", "--encapsulated", percent)
                modem = self.accept_modem()
                sender = threading.Thread(target=lambda: [modem.send(data[at:at + 1000])
                                                          for at in range(0, len(data), 1000)])
                sender.start()
                back = b""
                while len(back) < len(data):
                    back += modem.receive()
                sender.join()
                self.assertEqual(back, data)

    def test_reconnect(self):
        self.start_fleet("--reconnect-s", "1,1")
        first = self.accept_modem()
        first.connection.close()
        self.assertEqual(self.accept_modem().imei(), first.imei())

    def test_twins(self):
        self.start_fleet("--flap", "2", devices=3)
        imeis = sorted(self.accept_modem().imei() for _ in range(5))
        self.assertEqual([imei - FIRST_IMEI for imei in imeis], [0, 0, 1, 1, 2])

    def test_several_rings(self):
        """More devices than one table of descriptors holds, and a clean end with a summary."""
        fleet = self.start_fleet("--slots", "3", devices=10)
        modems = [self.accept_modem() for _ in range(10)]
        self.assertEqual(len({modem.imei() for modem in modems}), 10)
        self.assertEqual(fleet.stdout.readline(), "fleet: 10 connected\n")
        fleet.send_signal(signal.SIGTERM)
        summary = json.loads(fleet.communicate(timeout=LIMIT_S)[0])
        self.assertEqual(fleet.returncode, 0)
        self.assertEqual((summary["threads"], summary["online"]), (4, 10))

    def test_reader_says_what_failed(self):
        """A port where nobody listens, a silent one, one that closes, and noise."""
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        self.check_failure(port, "connecting: Connection refused", "--meter", "dlms")
        port = self.server.getsockname()[1]
        self.check_failure(port, "HDLC connect (SNRM): no answer in time", "--meter", "dlms")
        self.server.accept()[0].close()
        self.check_failure(port, "no answer in time, neither to DLMS nor to IEC 62056-21")
        self.server.accept()[0].close()
        threading.Thread(target=lambda: self.server.accept()[0].close()).start()
        self.check_failure(port, "the connection", "--timeout-s", "30")

    def check_failure(self, port, expected, *options):
        code, out, errors = self.read(port, *(options or ("--timeout-s", "1")),
                                      *(() if "--timeout-s" in options else ("--timeout-s", "1")))
        self.assertEqual((code, out), (1, ""))
        self.assertIn(expected, errors)
        self.assertEqual(errors.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
