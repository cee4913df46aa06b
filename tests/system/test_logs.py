"""Every line of the log is logfmt with time, level and module; every close is told once, with layer
and cause, and counted as often as told."""

import collections
import contextlib
import re
import socket
import unittest

from cencd import SystemTest, hello, imei_of, is_closed, ping, read_exactly

TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Logs(SystemTest):
    def happen(self, server):
        """A little of everything that is logged."""
        older = self.modem(server, 1)
        agent = self.agent(older)
        ping(agent, older)
        self.assertTrue(is_closed(self.agent(older)))  # busy
        agent.close()
        server.wait_device(older.imei)
        newer = self.modem(server, 1, source="127.1.0.1")  # from another network
        self.assertTrue(is_closed(older.socket))
        self.assertTrue(is_closed(self.agent(newer, "127.0.0.2")))  # not allowed
        agent = self.agent(newer)
        ping(agent, newer)
        newer.reset()
        self.assertTrue(is_closed(agent))
        agent.close()
        self.modem(server, 2).close()
        for text in (b"garbage", hello(imei_of(3))[:30], b"A" * 5000, b'msg="forged" level=info\n'):
            stranger = self.connection(server.port)
            stranger.sendall(text)
            with contextlib.suppress(OSError):  # closed by the server already
                stranger.shutdown(socket.SHUT_WR)
            self.assertTrue(is_closed(stranger))
        odd = hello(imei_of(4)).replace(b"ATM21", b'M "q" a=b \\ x')
        self.keep(self.connection(server.port)).sendall(odd)
        server.wait(lambda: server.device(imei_of(4)) or server.closed("greeting", "unknown") > 2,
                    "the odd one is known, or not")
        self.modem(server, 5)

    def check_line(self, line, fields):
        """What every line has, in this order."""
        self.assertRegex(fields["time"], TIME)
        self.assertEqual(list(fields)[:3], ["time", "level", "module"], line)
        self.assertIn(fields["level"], ("error", "warn", "info", "debug"))
        self.assertRegex(fields["module"], r"^[a-z_]+$")
        self.assertTrue(fields["msg"], line)
        self.assertNotRegex(line, r"[\x00-\x1f\x7f]")

    @staticmethod
    def closes(server):
        return [fields for fields in server.log_lines()
                if fields["msg"] in ("link closed", "session finished", "agent refused")]

    def test_lines_and_closes(self):
        server = self.cencd({"log": {"level": "debug"},
                             "direct_ports": {"allow": ["127.0.0.1"]}})
        self.happen(server)
        server.wait(lambda: server.stats()["sessions"] == 0, "no session is left")
        server.wait_closed("peer", "reset")
        counted = {reason: count for reason, count in server.stats()["close_reasons"].items()
                   if count}
        server.wait(lambda: len(self.closes(server)) == sum(counted.values()),
                    f"closes in the log: {counted}")
        lines = server.log().split("\n")
        self.assertEqual(lines[-1], "")
        parsed = server.log_lines()
        for line, fields in zip(lines, parsed):
            self.check_line(line, fields)
        closes = self.closes(server)
        for fields in closes:
            self.assertIn("layer", fields)
            self.assertIn("cause", fields)
            if fields["module"] == "session":
                self.assertRegex(fields["agent"], r"^127\.\d+\.\d+\.\d+:\d+$")
                self.assertEqual(fields["serial"], imei_of(1))
        told = collections.Counter(f"{fields['layer']}/{fields['cause']}" for fields in closes)
        self.assertEqual(dict(told), counted)
        links = [fields["link"] for fields in closes if fields["msg"] == "link closed"]
        self.assertEqual(len(links), len(set(links)), "each link is closed once")
        self.assertFalse([fields for fields in parsed if fields["msg"] == "forged"])

    def test_a_registration_tells_what_the_crew_wants_to_know(self):
        server = self.cencd()
        modem = self.modem(server, 1)
        line = server.wait_logged(module="link", msg="registered")[0]
        peer = "127.0.0.1:%d" % modem.socket.getsockname()[1]
        expected = {"serial": modem.imei, "listener": "irz", "peer": peer, "model": "ATM21",
                    "csq": "16", "direct_port": str(modem.direct_port), "level": "info"}
        self.assertEqual({name: line[name] for name in expected}, expected)
        modem.close()
        server.wait_device(modem.imei, "offline")
        self.modem(server, 1)
        line = server.wait_logged(2, module="link", msg="registered")[1]
        self.assertEqual((line["serial"], line["direct_port"]),
                         (modem.imei, str(modem.direct_port)))
        self.assertEqual(len(server.logged(msg="new device")), 1)

    def test_a_session_tells_its_bytes(self):
        server = self.cencd()
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        agent.sendall(b"12345")
        self.assertEqual(modem.receive(5), b"12345")
        modem.send(b"123")
        self.assertEqual(read_exactly(agent, 3), b"123")
        agent.close()
        line = server.wait_logged(msg="session finished")[0]
        self.assertEqual((line["to_device"], line["to_agent"]), ("5", "3"))
        self.assertEqual((line["layer"], line["cause"]), ("agent", "closed"))
        begun = server.logged(msg="session started")[0]
        self.assertEqual((begun["session"], begun["link"]), (line["session"], line["link"]))

    def test_level(self):
        server = self.cencd({"log": {"level": "warn"}}, start=True)
        modem = self.modem(server, 1)
        ping(self.agent(modem), modem)
        server.stop()
        for fields in server.log_lines():
            self.assertIn(fields["level"], ("warn", "error"))


if __name__ == "__main__":
    unittest.main()
