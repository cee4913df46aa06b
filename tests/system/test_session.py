"""A session: what the agent writes is what the device reads and the other way round, to the last
byte, whichever shards the two came in at."""

import random
import select
import socket
import subprocess
import time
import unittest

from cencd import (LIMIT_S, SystemTest, Task, connect, exchange, is_closed, ping, read_exactly,
                   read_to_end, wait_until)

MEGABYTE = 1 << 20


class Bytes(SystemTest):
    def test_a_megabyte_each_way(self):
        for shards in (1, 2, 7):
            for encapsulated in (False, True):
                with self.subTest(shards=shards, encapsulated=encapsulated):
                    server = self.cencd({"server": {"shards": shards}})
                    modem = self.modem(server, 1, encapsulated=encapsulated)
                    agent = self.agent(modem)
                    exchange(agent, modem, MEGABYTE)
                    ping(agent, modem)
                    server.wait_device(modem.imei, "in session")
                    agent.close()
                    server.wait_device(modem.imei, "idle")
                    self.assertGreater(server.metric("cencd_shard_agent_sent_bytes_total"),
                                       MEGABYTE)
                    self.assertGreater(server.metric("cencd_shard_device_sent_bytes_total"),
                                       MEGABYTE)

    def test_many_sessions_at_once_across_shards(self):
        server = self.cencd({"server": {"shards": 5}})
        modems = [self.modem(server, number) for number in range(30)]
        agents = [self.agent(modem) for modem in modems]
        tasks = [Task(exchange, agent, modem, 60000) for agent, modem in zip(agents, modems)]
        for task in tasks:
            task.result()
        self.assertEqual(server.stats()["sessions"], 30)
        self.assertEqual(len({modem.direct_port for modem in modems}), 30)
        self.assertGreater(server.metric("cencd_reactor_moves_total"), 0)

    def test_one_session_after_another(self):
        server = self.cencd({"server": {"shards": 3}})
        modem = self.modem(server, 1)
        for number in range(20):
            agent = self.agent(modem)
            ping(agent, modem, b"session %d" % number)
            agent.close()
            server.wait_device(modem.imei, "idle")
        self.assertEqual(server.metric("cencd_shard_sessions_started_total"), 20)

    def test_who_has_said_all_waits_for_the_answer(self):
        """ncat shuts its side when its input ends; a program of ours does so at once."""
        server = self.cencd({"direct_ports": {"wait_s": 60}, "sessions": {"half_close_s": 3}})
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        ping(agent, modem)
        with subprocess.Popen(["ncat", "127.0.0.1", str(modem.direct_port)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ncat:
            ncat.stdin.write(b"ask")
            ncat.stdin.close()
            wait_until(lambda: "agent waits" in server.log(), "nobody waits")
            agent.close()
            self.assertEqual(read_exactly(modem.socket, 3), b"ask")
            modem.socket.sendall(b"answer")
            self.assertEqual(ncat.stdout.read(), b"answer")
            self.assertEqual(ncat.wait(LIMIT_S), 0)

    def test_bytes_sent_before_the_session_began_count(self):
        """An agent doesn't know when it is joined: it writes at once."""
        server = self.cencd({"server": {"shards": 3}})
        modem = self.modem(server, 1)
        for number in range(10):
            agent = self.agent(modem)
            agent.sendall(b"at once %d" % number)
            self.assertEqual(modem.receive(9), b"at once %d" % number)
            agent.close()
            server.wait_device(modem.imei, "idle")


class Ends(SystemTest):
    def test_agent_half_close(self):
        """The device still answers after the agent's FIN, then the agent gets one, too."""
        server = self.cencd({"sessions": {"half_close_s": 2}})
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        agent.sendall(b"request")
        agent.shutdown(socket.SHUT_WR)
        self.assertEqual(modem.receive(7), b"request")
        answer = random.randbytes(100000)
        modem.send(answer)
        self.assertEqual(read_to_end(agent), answer)
        server.wait_logged(msg="session finished", layer="agent", cause="closed")
        ping(self.agent(modem), modem)

    def next_agent(self, modem, first):
        """Who ended the half-closed session of `first`, which has got its FIN. An agent that came
        before the server saw that it is half-closed was refused."""
        while True:
            second = self.agent(modem)
            if first in select.select([first, second], [], [], LIMIT_S)[0]:
                return second
            self.assertEqual(second.recv(1), b"")

    def test_half_closed_agent_yields_to_the_next(self):
        server = self.cencd({"sessions": {"half_close_s": 600}})
        modem = self.modem(server, 1)
        first = self.agent(modem)
        ping(first, modem)
        first.shutdown(socket.SHUT_WR)
        second = self.next_agent(modem, first)
        self.assertEqual(read_to_end(first), b"")
        ping(second, modem)
        server.wait_logged(layer="session", cause="yielded")

    def test_device_close_flushes_to_the_last_byte(self):
        server = self.cencd()
        for number in range(5):
            modem = self.modem(server, number)
            agent = self.agent(modem)
            ping(agent, modem)
            answer = random.randbytes(300000)
            task = Task(modem.send, answer)
            if number % 2:
                task.result()  # all of it waits in the kernel and in the server by now
            else:
                first = read_exactly(agent, 1000)
                self.assertEqual(first, answer[:1000])
                answer = answer[1000:]
                task.result()
            modem.close()
            self.assertEqual(read_to_end(agent), answer)
        server.wait_closed("session", "device_gone", 5)

    def test_slow_agent_gets_everything_too(self):
        server = self.cencd({"limits": {"session_buffer_bytes": 4096}})
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        answer = random.randbytes(2 * MEGABYTE)
        task = Task(lambda: (modem.send(answer), modem.close()))
        server.wait(lambda: server.metric("cencd_reactor_stalled_sends_total") > 0
                    or not task.is_alive(), "a send stalls, or the kernel took all")
        self.assertEqual(read_to_end(agent), answer)
        task.result()

    def stalls(self, server, task):
        """Waits for a send that stalls; the sender must be waiting, too."""
        server.wait(lambda: server.metric("cencd_reactor_stalled_sends_total") > 0, "a stall")
        time.sleep(0.5)  # for bytes that shouldn't come
        self.assertLess(server.metric("cencd_reactor_private_bytes"), 2 * MEGABYTE)
        self.assertTrue(task.is_alive())

    def test_device_that_does_not_read_stops_its_agent(self):
        """What waits for the device is bounded, and goes on when it reads."""
        server = self.cencd()
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        request = random.randbytes(32 * MEGABYTE)
        task = Task(agent.sendall, request)
        self.stalls(server, task)
        self.assertEqual(modem.receive(len(request)), request)
        task.result()
        ping(agent, modem)

    def test_agent_that_does_not_read_stops_its_device(self):
        server = self.cencd()
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        ping(agent, modem)
        answer = random.randbytes(32 * MEGABYTE)
        task = Task(modem.send, answer)
        self.stalls(server, task)
        self.assertEqual(read_exactly(agent, len(answer)), answer)
        task.result()
        ping(agent, modem)

    def test_reset_of_either_side(self):
        server = self.cencd()
        modem = self.modem(server, 1)
        agent = modem.agent()
        ping(agent, modem)
        agent.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        agent.close()
        server.wait_logged(msg="session finished", layer="agent", cause="reset")
        server.wait_device(modem.imei, "idle")
        agent = self.agent(modem)
        ping(agent, modem)
        modem.reset()
        self.assertTrue(is_closed(agent))
        server.wait_logged(msg="link closed", layer="peer", cause="reset")
        server.wait_device(modem.imei, "offline")

    def test_idle_session_ends_and_the_link_stays(self):
        server = self.cencd({"sessions": {"idle_timeout_s": 3}})
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        ping(agent, modem)
        self.assertEqual(read_to_end(agent), b"")
        server.wait_closed("session", "idle_timeout")
        server.wait_device(modem.imei, "idle")


class Access(SystemTest):
    def test_second_comer_is_told_by_a_close(self):
        server = self.cencd({"server": {"shards": 3}})
        modem = self.modem(server, 1)
        first = self.agent(modem)
        ping(first, modem)
        for number in range(1, 6):
            second = self.agent(modem)
            self.assertTrue(is_closed(second))
            server.wait_closed("session", "busy", number)
            ping(first, modem)
        lines = server.wait_logged(5, layer="session", cause="busy")
        self.assertEqual({line["serial"] for line in lines}, {modem.imei})
        self.assertEqual(server.stats()["sessions"], 1)

    def test_agents_outside_the_list_are_refused(self):
        server = self.cencd({"direct_ports": {"allow": ["127.0.0.1", "10.0.0.0/8"]}})
        modem = self.modem(server, 1)
        stranger = self.agent(modem, "127.0.0.2")
        self.assertTrue(is_closed(stranger))
        server.wait_logged(layer="session", cause="refused")
        self.assertEqual(server.stats()["sessions"], 0)
        ping(self.agent(modem, "127.0.0.1"), modem)

    def test_sessions_limit(self):
        server = self.cencd({"limits": {"sessions": 2}})
        modems = [self.modem(server, number) for number in range(3)]
        for modem in modems[:2]:
            ping(self.agent(modem), modem)
        self.assertTrue(is_closed(self.agent(modems[2])))
        server.wait_closed("limit", "sessions")

    def test_port_is_kept_and_closed_while_the_device_is_away(self):
        server = self.cencd({"server": {"shards": 3}})
        first = self.modem(server, 1)
        self.modem(server, 2)
        port = first.direct_port
        agent = self.agent(first)
        ping(agent, first)
        first.close()
        self.assertTrue(is_closed(agent))

        def refused():
            try:
                connect(port).close()
            except ConnectionRefusedError:
                return True
            return False
        server.wait(refused, "the port of an absent device is closed")
        again = self.modem(server, 1)
        self.assertEqual(again.direct_port, port)
        ping(self.agent(again), again)


class Keepalives(SystemTest):
    def test_agents_do_not_see_keepalives(self):
        server = self.cencd(listener={"plugins": [{"irz": {"acknowledge_keepalive": True}}]})
        modem = self.modem(server, 1)
        keepalive = bytes.fromhex("B5BCBDBEBF")
        modem.socket.settimeout(LIMIT_S)
        for _ in range(3):  # idle
            modem.send(keepalive)
            self.assertEqual(modem.receive(5), keepalive)
        agent = self.agent(modem)
        ping(agent, modem)
        server.wait_device(modem.imei, "in session")
        for number in range(1, 4):
            modem.send(keepalive)
            self.assertEqual(modem.receive(5), keepalive)
        modem.send(b"end")
        self.assertEqual(read_exactly(agent, 3), b"end")
        self.assertEqual(server.metric("cencd_shard_keepalives_total"), 6)


if __name__ == "__main__":
    unittest.main()
