"""SIGTERM stops the server in order: links and sessions are closed with their reason, agents still
get what had come for them, and the exit code is 0. A second signal ends it at once."""

import os
import random
import signal
import socket
import subprocess
import threading
import unittest

from cencd import LIMIT_S, PROGRAM, SystemTest, connect, is_closed, is_free, ping, read_to_end

MEGABYTE = 1 << 20


class Stop(SystemTest):
    def assert_nothing_left(self, server):
        self.assertEqual(server.logged(module="main")[-1]["msg"], "stopped")
        for port in range(server.port, server.port + 30):
            self.assertTrue(is_free(port), port)

    def test_idle_server(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.cencd({"server": {"shards": 3}})
            server.process.send_signal(number)
            server.ended(0)
            self.assert_nothing_left(server)

    def test_signal_while_it_starts(self):
        for _ in range(5):
            server = self.cencd({"server": {"shards": 4}}, start=False)
            with server.log_path.open("wb") as log:
                server.process = subprocess.Popen([PROGRAM, "--config", server.config_path],
                                                  stdout=log, stderr=log)
            server.wait(lambda: " starts" in server.log(), "its first line")
            server.stop()

    def test_under_load(self):
        """Links in every state, sessions that move bytes, connections that come and go."""
        server = self.cencd({"server": {"shards": 3}}, ports=100)
        for _ in range(100):
            self.connection(server.port)  # greeting
        for number in range(100, 160):
            self.modem(server, number)  # idle
        pairs = []
        for number in range(20):
            modem = self.modem(server, number)
            pairs.append((self.agent(modem), modem))
            ping(*pairs[-1])
        stop = threading.Event()

        def talk(agent, modem):
            try:
                while not stop.is_set():
                    ping(agent, modem, random.randbytes(1000))
            except (AssertionError, OSError):
                pass  # it was stopped in the middle

        def dial():
            while not stop.is_set():
                try:
                    connect(server.port).close()
                except OSError:
                    return
        threads = [threading.Thread(target=talk, args=pair) for pair in pairs]
        threads += [threading.Thread(target=dial) for _ in range(2)]
        for thread in threads:
            thread.start()
        before = server.metric("cencd_shard_agent_sent_bytes_total")
        server.wait(lambda: server.metric("cencd_shard_agent_sent_bytes_total") > before,
                    "bytes move")
        server.process.send_signal(signal.SIGTERM)
        for agent, modem in pairs:
            self.assertTrue(is_closed(modem.socket))
        stop.set()
        for thread in threads:
            thread.join(LIMIT_S)
            self.assertFalse(thread.is_alive())
        for agent, _ in pairs:
            agent.close()
        server.ended(0)
        self.assert_nothing_left(server)
        self.assertEqual(len(server.logged(msg="session finished", layer="server",
                                           cause="stopping")), 20)
        self.assertEqual(len(server.logged(msg="session started")),
                         len(server.logged(msg="session finished")))
        # what was accepted was closed, each once
        closed = [line["link"] for line in server.logged(msg="link closed")]
        self.assertEqual(len(closed), len(set(closed)))
        self.assertGreaterEqual(len(closed), 180)

    def test_agents_get_what_had_come_for_them(self):
        server = self.cencd()
        modem = self.modem(server, 1)
        agent = socket.socket()
        self.keep(agent)
        agent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        agent.settimeout(LIMIT_S)
        server.wait(lambda: agent.connect_ex(("127.0.0.1", modem.direct_port)) == 0, "the port")
        ping(agent, modem)
        answer = random.randbytes(16 * MEGABYTE)
        modem.socket.setblocking(False)
        sent = 0

        def stalls():
            nonlocal sent
            try:
                while sent < len(answer):
                    sent += modem.socket.send(answer[sent:sent + 65536])
            except BlockingIOError:
                pass
            return server.metric("cencd_reactor_stalled_sends_total") > 0
        server.wait(stalls, "the agent's queue stalls")
        server.process.send_signal(signal.SIGTERM)
        got = read_to_end(agent)
        agent.close()
        server.ended(0)
        line = server.logged(msg="session finished")[0]
        self.assertEqual(len(got) + len(b"gnip"), int(line["to_agent"]))
        self.assertEqual(got, answer[:len(got)])

    def test_agent_that_does_not_leave_is_dropped(self):
        server = self.cencd()
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        ping(agent, modem)
        server.stop()
        self.assertEqual(read_to_end(agent), b"")
        self.assert_nothing_left(server)

    def test_second_signal(self):
        server = self.cencd()
        modem = self.modem(server, 1)
        ping(self.agent(modem), modem)  # its agent stays, so the stop takes a while
        # both are there when it looks again; of two the smaller number is taken first
        server.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            server.process.send_signal(number)
        server.ended(-signal.SIGTERM)

    def readyz_of_a_stop(self):
        """What /readyz says while an agent that stays keeps the server from ending; None if it
        was over before it could be asked."""
        server = self.cencd()
        modem = self.modem(server, 1)
        ping(self.agent(modem), modem)
        self.assertEqual(server.get("/readyz"), (200, "ready\n"))
        server.process.send_signal(signal.SIGTERM)
        said = []

        def unready():
            try:
                said.append(server.get("/readyz"))
            except OSError:
                said.append(None)
            return said[-1] is None or said[-1][0] != 200
        server.wait(unready, "it is no longer ready")
        server.ended(0)
        return said[-1]

    def test_readyz_while_it_stops(self):
        for _ in range(5):  # a machine that is busy may take longer to ask than agents may stay
            said = self.readyz_of_a_stop()
            if said is not None:
                break
        self.assertEqual(said, (503, "the server stops\n"))

    def test_sighup_changes_nothing(self):
        server = self.cencd()
        modem = self.modem(server, 1)
        agent = self.agent(modem)
        for _ in range(3):
            seen = len(server.logged(module="main", level="warn"))
            server.process.send_signal(signal.SIGHUP)
            server.wait(lambda: len(server.logged(module="main", level="warn")) > seen, "the word")
        self.assertIn("restart", server.logged(module="main", level="warn")[-1]["msg"])
        ping(agent, modem)
        server.stop()


if __name__ == "__main__":
    unittest.main()
