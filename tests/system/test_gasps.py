"""Last gasps: recorded before they are answered, kept for the device until it is heard again, and
there after a kill. docs/architecture.md tells the way."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

import cencd
from cencd import imei_of, wait_until

PROGRAM = cencd.PROGRAM.with_name("cencctl")
ANSWER = b"OK"
PATTERN = {"pattern": {"last_gasp": "PWRFAIL,(id)", "power_restored": "PWROK,(id)",
                       "push_answer": ANSWER.decode()}}
DLMS = bytes.fromhex("000100670066002AC2090C07E70706040A362600FF888000018080808080000209104B4136503030"
                     "35303339303231313130")
DLMS_SERIAL = "KA6P005039021110"
LARGE = 20000


class Gasps(cencd.SystemTest):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="state-", dir=os.environ["TMPDIR"]))

    def server(self, durable=True):
        changes = {"buffers": {"datagram_size_bytes": 32768}}
        if durable:
            changes["server"] = {"state_dir": str(self.folder)}
        server = self.cencd(changes, start=False)
        first = server.config["listeners"][0]
        first["plugins"] += ["dlms-push", PATTERN]
        server.config["listeners"].append(
            {"name": "gasps", "address": f"127.0.0.1:{server.port}", "transport": "udp",
             "receive_buffer_bytes": 1 << 20, "plugins": ["dlms-push", PATTERN]})
        server.config_path.write_text(json.dumps(server.config))
        server.start()
        return server

    def sender(self, server):
        device = self.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        device.settimeout(cencd.LIMIT_S)
        device.connect(("127.0.0.1", server.port))
        return device

    def say(self, server, text):
        """By datagram; returns when it is answered, in another millisecond."""
        device = self.sender(server)
        device.send(text.encode())
        self.assertEqual(device.recv(100), ANSWER)
        answered_ms = time.time_ns() // 1_000_000
        wait_until(lambda: time.time_ns() // 1_000_000 > answered_ms, "time passes")

    def journal(self, kind):
        """Events of this kind, as they are on the disk now."""
        done = subprocess.run([PROGRAM, "journal", "dump", self.folder / "journal", "--kind", kind],
                              capture_output=True, text=True, timeout=cencd.LIMIT_S, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def gasp_of(self, server, number):
        return server.device(imei_of(number))["last_gasp"]

    def known(self, server, number):
        """A device that dialled in and is recorded: before that it is shown, but not yet known."""
        modem = self.modem(server, number)
        server.wait_logged(msg="registered", serial=imei_of(number))
        return modem

    def offline(self, server, *numbers):
        """Devices that were here and are known."""
        for number in numbers:
            self.known(server, number).close()
            server.wait_device(imei_of(number), "offline")

    # -- tests --

    def test_a_gasp_that_was_answered_is_there_after_a_kill(self):
        server = self.server()
        self.offline(server, 1, 2)
        self.say(server, f"PWRFAIL,{imei_of(1)}")
        server.kill()
        gasps = self.journal("last_gasp")
        self.assertEqual(len(gasps), 1)
        self.assertEqual(gasps[0]["device"]["serial"], imei_of(1))
        self.assertEqual(gasps[0]["device"]["scope"], "default")
        self.assertEqual(gasps[0]["event_type"], "3.26.136.47")
        self.assertEqual(gasps[0]["listener"], "gasps")
        self.assertEqual(gasps[0]["last_gasp"]["rule"], "last_gasp")
        self.assertEqual(gasps[0]["last_gasp"]["transport"], "TRANSPORT_UDP")
        self.assertNotIn("unknown_device", gasps[0]["last_gasp"])
        server.start()
        self.assertIsNotNone(self.gasp_of(server, 1))
        self.assertIsNone(self.gasp_of(server, 2))

    def test_answered_one_by_one_with_a_kill_after_each(self):
        server = self.server()
        self.offline(server, *range(5))
        for number in range(5):
            self.say(server, f"PWRFAIL,{imei_of(number)}")
            server.kill()
            server.start()
            for other in range(5):
                self.assertEqual(self.gasp_of(server, other) is not None, other <= number)

    def test_a_serial_that_nobody_knows(self):
        server = self.server()
        self.say(server, f"PWRFAIL,{imei_of(77)}")
        line = server.wait_logged(module="push", msg="last gasp of an unknown device")[0]
        self.assertEqual(line["serial"], imei_of(77))
        gasps = self.journal("last_gasp")
        self.assertEqual([gasp["device"]["serial"] for gasp in gasps], [imei_of(77)])
        self.assertTrue(gasps[0]["last_gasp"]["unknown_device"])
        self.assertEqual(server.stats()["devices"], [])
        server.kill()
        server.start()
        self.assertEqual(server.stats()["devices"], [])

    def test_a_connection_that_says_its_gasp(self):
        server = self.server()
        with socket.create_connection(("127.0.0.1", server.port), cencd.LIMIT_S) as device:
            device.sendall(DLMS)
            wait_until(lambda: self.journal("last_gasp"), "the gasp is in the journal", server.log)
        gasp = self.journal("last_gasp")[0]
        self.assertEqual(gasp["device"]["serial"], DLMS_SERIAL)
        self.assertEqual(gasp["last_gasp"]["transport"], "TRANSPORT_TCP")
        self.assertEqual(gasp["device_time"]["clock"], "TIME_BASE_UTC")

    def test_power_returns_by_connection(self):
        server = self.server()
        self.offline(server, 3)
        self.say(server, f"PWRFAIL,{imei_of(3)}")
        self.assertIsNotNone(self.gasp_of(server, 3))
        self.modem(server, 3)
        wait_until(lambda: self.gasp_of(server, 3) is None, "the gasp is over", server.log)
        wait_until(lambda: self.journal("power_restored"), "which is recorded", server.log)
        restored = self.journal("power_restored")[0]
        gasp = self.journal("last_gasp")[0]
        self.assertEqual(restored["power_restored"]["by"], "POWER_RESTORED_BY_LINK")
        self.assertEqual(restored["power_restored"]["last_gasp_sequence"], gasp["sequence"])
        server.kill()
        server.start()
        self.assertIsNone(self.gasp_of(server, 3))

    def test_a_connection_from_before_proves_nothing(self):
        server = self.server()
        modem = self.known(server, 4)
        self.say(server, f"PWRFAIL,{imei_of(4)}")
        modem.send(b"still charged")
        self.assertIsNotNone(self.gasp_of(server, 4))
        agent = self.agent(modem)
        cencd.ping(agent, modem)
        agent.close()
        wait_until(lambda: self.gasp_of(server, 4) is None, "a session is proof", server.log)
        wait_until(lambda: self.journal("power_restored"), "which is recorded", server.log)
        restored = self.journal("power_restored")[0]["power_restored"]
        self.assertEqual(restored["by"], "POWER_RESTORED_BY_SESSION")

    def test_power_returns_by_message(self):
        server = self.server()
        self.offline(server, 5)
        self.say(server, f"PWRFAIL,{imei_of(5)}")
        self.say(server, f"PWROK,{imei_of(5)}")
        server.kill()
        restored = self.journal("power_restored")
        self.assertEqual([event["power_restored"]["by"] for event in restored],
                         ["POWER_RESTORED_BY_MESSAGE"])
        pushes = self.journal("push_received")
        self.assertEqual(pushes[0]["push_received"]["events"][0]["type"], "3.26.136.216")
        server.start()
        self.assertIsNone(self.gasp_of(server, 5))

    def test_a_large_push_is_recorded_whole(self):
        server = self.server()
        body = bytes.fromhex("0F00000001000203090858585830313233340600000000") + (
            b"\x09\x82" + LARGE.to_bytes(2, "big") + bytes(LARGE))
        message = bytes.fromhex("000100670066") + len(body).to_bytes(2, "big") + body
        self.sender(server).send(message)
        wait_until(lambda: self.journal("push_received"), "the push is in the journal", server.log)
        push = self.journal("push_received")[0]
        self.assertEqual(push["device"]["serial"], "XXX01234")
        self.assertEqual(push["push_received"]["protocol"], "dlms")
        self.assertNotIn("raw_size", push["push_received"])
        names = [field["name"] for field in push["push_received"]["fields"]]
        self.assertEqual(names, ["1", "2", "3"])
        self.assertEqual(bytes.fromhex(push["push_received"]["fields"][0]["value"]["octets"]),
                         b"XXX01234")
        self.assertEqual(bytes.fromhex(push["push_received"]["raw"]), message)

    def test_without_a_journal_it_is_kept_in_memory(self):
        server = self.server(durable=False)
        self.offline(server, 6)
        self.say(server, f"PWRFAIL,{imei_of(6)}")
        self.assertIsNotNone(self.gasp_of(server, 6))


if __name__ == "__main__":
    unittest.main()
