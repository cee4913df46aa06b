"""What strangers send, or don't: each is closed with its reason within its limit, memory stays
bounded, other sessions don't notice, and nothing ends the server."""

import contextlib
import random
import socket
import threading
import time
import unittest

from cencd import (PASSWORD, SANITIZED, Modem, SystemTest, connect, hello, imei_of, is_closed, ping,
                   wait_until)

MEGABYTE = 1 << 20
# what the server may grow by; sanitizers keep freed memory for a while
GROWTH = (600 if SANITIZED else 40) * MEGABYTE


class Traffic:
    """A session that goes on moving bytes while something else happens."""

    def __init__(self, test, server, number=999):
        self.modem = test.modem(server, number)
        self.agent = test.agent(self.modem)
        self.error = None
        self.count = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        ping(self.agent, self.modem)

    def run(self):
        try:
            while not self.stop.is_set():
                ping(self.agent, self.modem, random.randbytes(random.randrange(1, 3000)))
                self.count += 1
        except Exception as error:  # told at the end
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        if self.error:
            raise self.error
        if self.count == 0:
            raise AssertionError("no exchange went through meanwhile")


class HostileTest(SystemTest):
    def check_alive(self, server, number=1):
        """Somebody who behaves is served as ever."""
        modem = self.modem(server, number)
        ping(self.agent(modem), modem)
        self.assertEqual(server.get("/healthz")[0], 200)


class BadInput(HostileTest):
    def test_garbage(self):
        server = self.cencd(listener={"greeting_timeout_s": 600})
        with Traffic(self, server):
            for number in range(200):
                connection = self.connection(server.port)
                garbage = random.randbytes(random.randrange(1, 20000))
                if garbage[:1] == b"A":
                    garbage = b"\0" + garbage
                with contextlib.suppress(ConnectionError):
                    connection.sendall(garbage)
                self.assertTrue(is_closed(connection), number)
            server.wait_closed("greeting", "unknown", 200)
        self.assertEqual(server.stats()["listeners"][0]["failed"], 200)
        self.check_alive(server)

    def test_hello_dribbles_and_never_ends(self):
        """Byte by byte, always plausible: the deadline counts from the accept."""
        server = self.cencd(listener={"greeting_timeout_s": 2, "greeting_max_bytes": 16384})
        connections = [self.connection(server.port) for _ in range(20)]
        text = hello(imei_of(5)).rstrip(b"\n") + b"KEY=1," * 10000
        sent = 0
        with Traffic(self, server):
            while connections:
                piece = text[sent:sent + 1]
                sent += 1
                for connection in list(connections):
                    try:
                        connection.sendall(piece)
                        threading.Event().wait(0.001)
                    except ConnectionError:
                        connections.remove(connection)
        self.assertEqual(server.closed("greeting", "timeout"), 20)
        self.assertIsNone(server.device(imei_of(5)))
        self.check_alive(server)

    def test_hello_is_longer_than_allowed(self):
        server = self.cencd(listener={"greeting_timeout_s": 600, "greeting_max_bytes": 100})
        text = hello(imei_of(5)).rstrip(b",\n")
        self.assertGreater(len(text), 100)
        self.assertTrue(is_closed(self.dial(server, text)))
        server.wait_closed("greeting", "too_long")
        self.assertTrue(is_closed(self.dial(server, b"AT$IMEI=" + b"1" * 100000)))
        self.assertIsNone(server.device(imei_of(5)))
        self.assertEqual(server.stats()["listeners"][0]["failed"], 2)

    def dial(self, server, text):
        connection = self.connection(server.port)
        with contextlib.suppress(ConnectionError):
            connection.sendall(text)
        return connection

    def test_thousands_that_say_nothing(self):
        server = self.cencd(listener={"greeting_timeout_s": 2})
        with Traffic(self, server):
            before = server.resident_bytes()
            silent = [self.connection(server.port, f"127.0.0.{2 + number % 8}")
                      for number in range(2500)]
            for connection in silent:
                self.assertTrue(is_closed(connection))
            server.wait_closed("greeting", "timeout", 2500)
            self.assertLess(server.resident_bytes() - before, GROWTH)
        self.assertEqual(server.metric("cencd_unidentified_links"), 0)
        self.check_alive(server)

    def test_connect_and_go(self):
        """Connections that are gone before anybody looks, with FIN and with RST."""
        server = self.cencd(listener={"greeting_timeout_s": 5})
        with Traffic(self, server):
            for number in range(2000):
                connection = connect(server.port)
                if number % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          b"\1\0\0\0\0\0\0\0")
                connection.close()
            server.wait(lambda: server.metric("cencd_links") == 1, "all of them are gone")
        self.check_alive(server)

    def test_half_open_links_end_by_their_idle_timeout(self):
        server = self.cencd(listener={"idle_timeout_s": 1})
        modems = [self.modem(server, number, register=False) for number in range(20)]
        server.wait_closed("link", "idle_timeout", 20)
        for modem in modems:
            self.assertTrue(is_closed(modem.socket))
        self.assertEqual(server.stats()["directory"]["online"], 0)

    def test_floods_that_nobody_reads(self):
        """An idle device that sends and sends, and an agent whose device doesn't read."""
        server = self.cencd({"server": {"shards": 1}})
        with Traffic(self, server):
            before = server.resident_bytes()
            loud = self.modem(server, 1)
            loud.socket.sendall(bytes(24 * MEGABYTE))
            server.wait(lambda: server.metric("cencd_shard_unclaimed_bytes_total")
                        >= 24 * MEGABYTE, "all of it was read and dropped")
            agents = [self.agent(self.modem(server, number)) for number in range(2, 12)]

            def ten_stall():
                for agent in agents:
                    agent.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        while agent.send(bytes(65536)):
                            pass
                return server.metric("cencd_reactor_stalled_sends_total") >= 10
            server.wait(ten_stall, "ten devices don't read")
            self.assertLess(server.resident_bytes() - before, GROWTH)
            self.assertLess(server.metric("cencd_reactor_private_bytes"), 10 * MEGABYTE)
        self.check_alive(server, 100)

    def test_broken_frames_of_an_encapsulating_modem(self):
        server = self.cencd()
        modem = self.modem(server, 1, encapsulated=True)
        agent = self.agent(modem)
        ping(agent, modem)
        for size in (1, 7, 100, 5000):
            modem.socket.sendall(random.randbytes(size))
            modem.socket.sendall(bytes.fromhex("C8CACBCCCD01FFFF"))
        server.wait(lambda: server.metric("cencd_shard_malformed_total") > 0, "it is counted")
        self.check_alive(server, 2)


class Limits(HostileTest):
    def assert_left_waiting(self, server, limit):
        """Only accepts that were armed already, 4 in each of 2 shards, lead to a refusal."""
        time.sleep(0.3)  # for those that shouldn't come
        self.assertLessEqual(server.closed("limit", limit), 8)

    def test_unidentified_per_source(self):
        server = self.cencd({"limits": {"unidentified_per_source": 10}})
        silent = [self.connection(server.port, "127.0.0.9") for _ in range(30)]
        server.wait_closed("limit", "source", 20)
        self.assertEqual(server.metric("cencd_unidentified_links"), 10)
        modem = self.modem(server, 1, source="127.0.0.10")  # another source is served
        ping(self.agent(modem), modem)
        for connection in silent:
            connection.close()
        server.wait(lambda: server.metric("cencd_unidentified_links") == 0, "they have left")
        # identified links don't count: a carrier's NAT is one address
        for number in range(2, 22):
            self.modem(server, number, source="127.0.0.9")
        self.assertEqual(server.stats()["directory"]["online"], 21)

    def test_unidentified_in_all(self):
        """Those above the limit wait in the backlog, or are closed; when there is room again the
        next are served."""
        server = self.cencd({"limits": {"unidentified": 20}}, {"greeting_timeout_s": 600})
        with Traffic(self, server):
            silent = [self.connection(server.port, f"127.0.1.{number}")
                      for number in range(1, 61)]
            server.wait(lambda: server.metric('cencd_listener_accepting{listener="irz"}') == 0,
                        "it no longer accepts")
            self.assert_left_waiting(server, "unidentified")
            self.assertLessEqual(server.metric("cencd_unidentified_links"), 20)
            late = self.modem(server, 1, register=False)
            for connection in silent:
                connection.close()
            server.wait_device(late.imei)
        self.check_alive(server, 2)

    def test_full_server_accepts_no_more_and_resumes(self):
        server = self.cencd({"limits": {"links": 12}})
        modems = [self.modem(server, number) for number in range(12)]
        self.assertEqual(server.metric('cencd_listener_accepting{listener="irz"}'), 0)
        self.assertFalse(server.stats()["listeners"][0]["accepting"])
        waiting = [Modem(server, number, register=False) for number in range(100, 130)]
        for modem in waiting:
            self.keep(modem)
        ping(self.agent(modems[0]), modems[0])
        self.assert_left_waiting(server, "links")
        self.assertEqual(server.stats()["directory"]["online"], 12)
        for modem in modems:
            modem.close()
        # whoever was refused by an accept that was armed already dials in again, as modems do
        served = 0
        while served < 30:
            state = {row["serial"]: row["state"] for row in server.stats()["devices"]}
            for modem in list(waiting):
                if state.get(modem.imei) == "idle":
                    modem.close()
                    waiting.remove(modem)
                    served += 1
                elif self.gone(modem.socket):
                    modem.close()
                    waiting.remove(modem)
                    waiting.append(self.modem(server, int(modem.imei[7:]), register=False))
            wait_until(lambda: server.get("/healthz")[0] == 200, "healthy")
        self.check_alive(server)

    @staticmethod
    def gone(connection):
        connection.setblocking(False)
        try:
            return connection.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def test_max_links_of_a_listener(self):
        server = self.cencd(listener={"max_links": 5})
        modems = [self.modem(server, number) for number in range(5)]
        self.assertEqual(server.metric('cencd_listener_accepting{listener="irz"}'), 0)
        sixth = self.modem(server, 6, register=False)
        modems[0].close()
        server.wait(lambda: (server.device(sixth.imei) or self.gone(sixth.socket)), "its turn")
        for modem in modems:
            modem.close()
        server.wait(lambda: server.metric("cencd_links") <= 1, "they have left")
        self.check_alive(server, 77)

    def test_devices_limit(self):
        server = self.cencd({"limits": {"devices": 3}})
        for number in range(3):
            self.modem(server, number)
        fourth = self.modem(server, 3, register=False)
        self.assertTrue(is_closed(fourth.socket))
        server.wait_closed("limit", "devices")
        again = self.modem(server, 0)  # a known device is served
        ping(self.agent(again), again)


class FailedIdentifications(SystemTest):
    def test_they_are_listed_with_masked_secrets(self):
        servers = [self.cencd(listener={"greeting_timeout_s": limit_s}) for limit_s in (600, 1)]
        cases = {
            "greeting/unknown": hello(imei_of(1)).replace(b"AT$", b"XX$"),
            "greeting/closed": hello(imei_of(2))[:60],
            "greeting/timeout": hello("86844103").rstrip(b",\n")[:70],
        }
        for reason, text in cases.items():
            server = servers[reason == "greeting/timeout"]
            connection = connect(server.port)
            connection.sendall(text)
            if reason == "greeting/closed":
                connection.close()
            else:
                self.assertTrue(is_closed(connection))
                connection.close()
            server.wait(lambda r=reason: [row for row in server.stats()["failed_identifications"]
                                          if row["reason"] == r], f"{reason} is listed")
        rows = []
        for server in servers:
            status, text = server.get("/stats")
            self.assertEqual(status, 200)
            self.assertNotIn(PASSWORD, text)
            self.assertNotIn(PASSWORD.encode().hex(), text.lower())
            rows += server.stats()["failed_identifications"]
        self.assertEqual({row["reason"] for row in rows}, set(cases))
        for row in rows:
            self.assertEqual(row["listener"], "irz")
            self.assertTrue(row["peer"].startswith("127.0.0.1:"))
            self.assertEqual(row["size"], len(cases[row["reason"]]))
            shown = bytes.fromhex(row["bytes_hex"])
            self.assertEqual(len(shown), row["size"])
            self.assertIn(b"PSW=" + b"*" * len(PASSWORD), shown)

    def test_the_newest_are_kept(self):
        server = self.cencd({"ops": {"failed_identifications": 5}})
        for number in range(12):
            connection = self.connection(server.port)
            connection.sendall(b"guess %02d" % number)
            self.assertTrue(is_closed(connection))
        rows = server.wait(lambda: (rows := server.stats()["failed_identifications"])
                           and rows[0]["number"] == 12 and rows, "all were noted")
        self.assertEqual([row["number"] for row in rows], [12, 11, 10, 9, 8])
        self.assertEqual(len(server.stats(failed=2)["failed_identifications"]), 2)
        self.assertEqual(bytes.fromhex(rows[0]["bytes_hex"])[:5], b"guess")


if __name__ == "__main__":
    unittest.main()
