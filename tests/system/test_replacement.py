"""One device, two links: the newest wins, since a modem that lost its network leaves a half-open
link behind. But while a session moves bytes the newcomer waits until the older link has proved
alive or has not."""

import threading
import unittest

from cencd import (SystemTest, connect, connect_patiently, hello, imei_of, is_closed, ping,
                   read_exactly, wait_until)


class Replacement(SystemTest):
    def newcomer(self, server, number, source=None):
        """A second connection with the hello of a device that is there already."""
        connection = self.keep(connect(server.port, source))
        connection.sendall(hello(imei_of(number)))
        return connection

    def test_newest_link_wins(self):
        for shards in (1, 4):
            with self.subTest(shards=shards):
                server = self.cencd({"server": {"shards": shards},
                                     "links": {"flap_count": 1000}})
                older = self.modem(server, 1)
                port = older.direct_port
                for number in range(1, 9):
                    newer = self.modem(server, 1)
                    self.assertTrue(is_closed(older.socket))
                    server.wait_closed("link", "replaced", number)
                    row = server.wait(lambda n=number: (row := server.device(newer.imei))
                                      and row["epoch"] > n and row["state"] == "idle" and row,
                                      "the newcomer is registered")
                    self.assertEqual(row["direct_port"], port)
                    newer.row = row
                    older = newer
                ping(self.agent(older), older)
                directory = server.stats()["directory"]
                self.assertEqual((directory["devices"], directory["online"]), (1, 1))
                self.assertEqual(directory["replacements"], 8)
                server.wait(lambda: server.stats()["listeners"][0]["links"] == 1, "one link is left")

    def test_replaced_in_a_silent_session(self):
        """A session that has moved nothing for hold_s doesn't keep the newcomer waiting."""
        server = self.cencd({"links": {"hold_s": 1}})
        older = self.modem(server, 1)
        agent = self.agent(older)
        ping(agent, older)
        server.wait_device(older.imei, "in session")
        newer = self.newcomer(server, 1)
        self.assertTrue(is_closed(older.socket))
        self.assertTrue(is_closed(agent))
        server.wait_closed("link", "replaced")
        server.wait_closed("session", "device_gone")
        row = server.wait_device(older.imei)
        agent = self.keep(connect_patiently(row["direct_port"]))
        agent.sendall(b"to the newer")
        self.assertEqual(read_exactly(newer, 12), b"to the newer")

    def test_newcomer_loses_to_a_link_that_proves_alive(self):
        server = self.cencd({"links": {"hold_s": 120}, "server": {"shards": 3}})
        older = self.modem(server, 1)
        agent = self.agent(older)
        ping(agent, older)
        newer = self.newcomer(server, 1)
        server.wait(lambda: server.metric("cencd_shard_held_total") == 1, "the newcomer is held")
        older.send(b"alive")
        self.assertEqual(read_exactly(agent, 5), b"alive")
        self.assertTrue(is_closed(newer))
        server.wait_closed("link", "older_alive")
        lines = server.wait_logged(security="duplicate")
        self.assertEqual(lines[0]["serial"], older.imei)
        ping(agent, older)
        self.assertEqual(server.stats()["directory"]["replacements"], 0)

    def test_of_several_newcomers_the_newest_waits(self):
        server = self.cencd({"links": {"hold_s": 5}})
        older = self.modem(server, 1)
        agent = self.agent(older)
        ping(agent, older)
        first = self.newcomer(server, 1)
        server.wait(lambda: server.metric("cencd_shard_held_total") == 1, "one is held")
        second = self.newcomer(server, 1)
        self.assertTrue(is_closed(first))
        self.assertTrue(is_closed(older.socket))
        row = server.wait_device(older.imei)
        self.assertEqual(row["peer"], "127.0.0.1:%d" % second.getsockname()[1])

    def test_bytes_of_a_held_newcomer_are_not_lost_to_the_stream(self):
        """It sends while it waits; when it wins it is an ordinary link."""
        server = self.cencd({"links": {"hold_s": 5}})
        older = self.modem(server, 1)
        agent = self.agent(older)
        ping(agent, older)
        newer = self.newcomer(server, 1)
        server.wait(lambda: server.metric("cencd_shard_held_total") == 1, "held")
        newer.sendall(b"early")
        self.assertTrue(is_closed(older.socket))
        row = server.wait_device(older.imei)
        self.assertTrue(is_closed(agent))
        agent = self.keep(connect_patiently(row["direct_port"]))
        agent.sendall(b"hello")
        self.assertEqual(read_exactly(newer, 5), b"hello")

    def test_flapping_device_is_damped(self):
        server = self.cencd({"links": {"hold_s": 1, "flap_count": 3, "flap_window_s": 3600}})
        links = [self.modem(server, 1)]
        for number in range(4):
            links.append(self.newcomer(server, 1))
            server.wait_closed("link", "replaced", number + 1)
        self.assertGreaterEqual(server.stats()["directory"]["flapping"], 1)
        self.assertGreaterEqual(server.metric("cencd_shard_held_total"), 1)
        server.wait_device(imei_of(1))
        server.wait(lambda: server.stats()["links"]["idle"] == 1, "one link is left")

    def test_another_network_is_a_security_event(self):
        server = self.cencd({"links": {"network_prefix_v4": 16}})
        self.modem(server, 1)
        self.newcomer(server, 1, "127.0.200.1")
        server.wait_closed("link", "replaced", 1)
        self.newcomer(server, 1, "127.1.0.1")
        server.wait_closed("link", "replaced", 2)
        lines = server.wait_logged(security="replacement", level="warn")
        self.assertEqual(len(lines), 1)
        self.assertEqual(server.metric("cencd_shard_other_network_total"), 1)

    def test_storm_of_one_serial(self):
        """Many links of one device at once: in the end one of them is the device's."""
        server = self.cencd({"server": {"shards": 4}, "links": {"hold_s": 1}})
        imei = imei_of(1)

        def dial():
            for _ in range(25):
                self.newcomer(server, 1)
        threads = [threading.Thread(target=dial) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.wait(lambda: server.stats()["listeners"][0]["accepted"] == 100
                    and server.stats()["listeners"][0]["links"] == 1, "one link is left")
        row = server.wait_device(imei)
        agent = self.keep(connect_patiently(row["direct_port"]))
        ping_bytes = b"who is it?"
        agent.sendall(ping_bytes)
        wait_until(lambda: server.device(imei)["state"] == "in session", "the device is reached")
        self.assertEqual(server.stats()["directory"]["devices"], 1)


if __name__ == "__main__":
    unittest.main()
