"""A modem's password (PSW) is never told: not in the log at its most talkative, not on a page, not
by a server that ends, whether the hello was good, broken, cut, or came twice."""

import json
import socket
import time
import unittest

from cencd import PASSWORD, SystemTest, hello, imei_of, is_closed, ping, run

PIECE = 4  # even so much of it, from its beginning, is too much


class Secrets(SystemTest):
    def assert_unsaid(self, text, where):
        lower = text.lower()
        for part in (PASSWORD[:PIECE], PASSWORD[-PIECE:]):
            self.assertNotIn(part.lower(), lower, where)
            self.assertNotIn(part.encode().hex(), lower, where)
            self.assertNotIn("".join(f"\\x{byte:02x}" for byte in part.encode()), lower, where)

    def dial(self, server, *pieces, finish=False):
        connection = self.connection(server.port)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            if len(pieces) > 1:
                time.sleep(0.01)  # most come as pieces; the result is the same if they don't
        if finish:
            connection.shutdown(socket.SHUT_WR)
        return connection

    def test_everything_that_can_be_read(self):
        server = self.cencd({"log": {"level": "debug"}},
                            {"greeting_timeout_s": 4, "greeting_max_bytes": 600})
        good = hello(imei_of(1))
        at = good.index(PASSWORD.encode())
        modem = self.modem(server, 1)
        ping(self.agent(modem), modem)
        again = self.modem(server, 2)
        again.socket.sendall(hello(again.imei))  # once more, when it is idle
        again.socket.sendall(hello(again.imei)[:at + 7])
        # in pieces, of which one ends within the password
        self.dial(server, hello(imei_of(3))[:at + 5], hello(imei_of(3))[at + 5:])
        server.wait_device(imei_of(3))
        server.wait(lambda: server.metric("cencd_shard_unclaimed_bytes_total") >= len(good) + at,
                    "the second hello was read")
        odd = [
            self.dial(server, good.replace(b"TYP=", b"\0\1\2TYP="), b"\r\n"),
            self.dial(server, good[:at + 6]),  # until the deadline
            self.dial(server, good[:at + 6], finish=True),
            self.dial(server, good[:at] + b"x" * 700 + PASSWORD.encode() * 30),
            self.dial(server, good.replace(b"868", b"x" * 240 + b"868")),  # across what is kept
            self.dial(server, good.replace(b"IMEI", b"imei")),
            self.dial(server, b"AT$IMEI=1,A=" + b"z" * 225 + b",PSW=" + PASSWORD.encode() + b"," +
                      b"q" * 500),
            self.dial(server, b"PSW=" + PASSWORD.encode() + b"," + good),
        ]
        server.wait(lambda: server.stats()["listeners"][0]["accepted"] == 3 + len(odd)
                    and server.metric("cencd_unidentified_links") == 0, "all are judged")
        failed = server.stats()["listeners"][0]["failed"]
        self.assertGreater(failed, 4)
        self.assertEqual(len(server.stats()["failed_identifications"]), failed)
        pages = {path: server.get(path)[1] for path in ("/stats?failed=100&devices=100",
                                                        "/metrics", "/healthz", "/readyz",
                                                        "/nothing", "/stats?x=1")}
        server.stop()
        for path, text in pages.items():
            self.assert_unsaid(text, path)
        self.assertGreater(len(server.logged(module="link")), failed)
        self.assert_unsaid(server.log(), "the log")

    def test_a_full_and_a_replaced_device(self):
        """The ways out between identified and registered."""
        server = self.cencd({"log": {"level": "debug"}, "limits": {"devices": 1}})
        modem = self.modem(server, 1)
        self.assertTrue(is_closed(self.dial(server, hello(imei_of(2)))))
        newer = self.modem(server, 1, source="127.1.0.1")
        self.assertTrue(is_closed(modem.socket))
        ping(self.agent(newer), newer)
        page = server.get("/stats")[1]
        server.stop()
        self.assert_unsaid(page, "/stats")
        self.assert_unsaid(server.log(), "the log")

    def test_complaints_about_the_configuration(self):
        server = self.cencd(start=False)
        config = json.loads(server.config_path.read_text())
        config["limits"] = {"links": "many"}
        server.config_path.write_text(json.dumps(config))
        code, out, errors = run("--config", str(server.config_path))
        self.assertEqual(code, 78)
        self.assert_unsaid(out + errors, "stderr")


if __name__ == "__main__":
    unittest.main()
