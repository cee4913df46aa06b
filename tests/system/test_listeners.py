"""Listeners that an operator stops and starts: whoever comes is refused, whoever is there stays
unless asked, a restart keeps it, and a port that another program took is told."""

import contextlib
import json
import socket
import threading

from accounts import free_port
from cencd import Cencd, Modem, connect, connect_patiently, parse_metrics, wait_until
from test_admin import Admin as _Admin


NAME = "irz"


def refused(port):
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False


class Listeners(_Admin):
    def begin(self):
        self.socks, self.pushes = free_port(), free_port()
        self.server = Cencd({"server": {"state_dir": str(self.state)}, "agents": {"listeners": [
            {"name": "socks", "kind": "socks5", "address": f"127.0.0.1:{self.socks}",
             "anonymous": "allow"}]}}, start=False)
        self.server.config["listeners"].append(
            {"name": "pushes", "transport": "udp", "address": f"127.0.0.1:{self.pushes}",
             "plugins": ["dlms-push"]})
        self.server.config_path.write_text(json.dumps(self.server.config))
        self.server.start()
        self.addCleanup(self.kill)
        return self.server

    def running(self, name):
        return {one["name"]: one["running"] for one in self.list("listener")}[name]

    def metric(self, name):
        samples = parse_metrics(self.server.get("/metrics")[1])
        return samples[f'cencd_listener_running{{listener="{name}"}}']

    def test_stop_and_start(self):
        server = self.begin()
        with contextlib.closing(Modem(server, 1)) as modem:
            self.ctl("listener", "stop", NAME)
            self.assertTrue(refused(server.port))
            self.assertEqual((self.running(NAME), self.running("socks")), (False, True))
            self.assertEqual((self.metric(NAME), self.metric("socks")), (0, 1))
            with modem.agent() as agent:  # its link goes on
                agent.sendall(b"ask")
                self.assertEqual(modem.receive(3), b"ask")
            self.ctl("listener", "stop", server.port)  # what is so already is done
            self.ctl("listener", "stop", NAME, "--close-links")
            self.assertEqual(modem.socket.recv(1), b"")
        self.restart_stopped()
        self.assertFalse(self.running(NAME))
        self.assertTrue(refused(self.server.port))
        self.ctl("listener", "start", NAME)
        Modem(self.server, 1).close()
        audit = self.ctl("audit")
        self.assertIn(f"{NAME}, its links, too", audit)
        self.assertIn("listener_started", audit)

    def restart_stopped(self):
        self.server.stop()
        self.server.start()

    def test_agents_and_datagrams(self):
        self.begin()
        with contextlib.closing(connect(self.socks)) as agent:
            for name in "socks", "pushes":
                self.ctl("listener", "stop", name)
            self.assertTrue(refused(self.socks))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                own.bind(("127.0.0.1", self.pushes))  # nobody has it
                self.assertIn("can't listen on", self.ctl("listener", "start", "pushes", code=75))
            agent.sendall(b"\5\1\0")
            self.assertEqual(agent.recv(2), b"\5\0")
        for name in "socks", "pushes":
            self.ctl("listener", "start", name)
            self.assertTrue(self.running(name))
        connect(self.socks).close()

    def test_a_port_that_is_taken(self):
        server = self.begin()
        self.ctl("listener", "stop", NAME)
        with socket.create_server(("127.0.0.1", server.port)):
            said = self.ctl("listener", "start", NAME, code=75)
            self.assertIn(f"can't listen on 127.0.0.1:{server.port}: Address already in use", said)
            self.assertFalse(self.running(NAME))
        self.ctl("listener", "start", NAME)
        connect_patiently(server.port).close()

    def test_conflicts_and_bad_input(self):
        self.begin()
        path = f"/v1/listeners/{NAME}"
        for body in {}, {"running": 1}, {"running": True, "close_links": True}, {"other": 1}:
            self.assertEqual(self.call("PATCH", path, body)[0], 400, body)
        self.assertEqual(self.call("PATCH", "/v1/listeners/none", {"running": False})[0], 404)
        self.assertEqual(self.call("DELETE", path)[0], 405)
        self.assertEqual(self.call("PATCH", path, {"running": False}, If_Match='"0-7"')[0], 412)
        status, headers, _ = self.call("PATCH", path, {"running": False})
        self.assertEqual(status, 200)
        self.assertEqual(self.call("PATCH", path, {"running": True},
                                   If_Match=headers["etag"])[0], 200)

    def test_many_at_once(self):
        server = self.begin()
        codes = []

        def patch(number):
            codes.append(self.call("PATCH", f"/v1/listeners/{NAME}",
                                   {"running": number % 2 == 1})[0])

        threads = [threading.Thread(target=patch, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual(set(codes), {200, 409})
        self.ctl("listener", "start", NAME)
        wait_until(lambda: self.running(NAME), "it doesn't run")
        connect_patiently(server.port).close()


# the other tests of the base are run in their own file
for _name in [name for name in dir(_Admin) if name.startswith("test_")]:
    setattr(Listeners, _name, None)
del _Admin
