"""Devices that come by themselves on a listener whose devices need an approval: known, listed, told
to the journal, and out of every agent's reach until an operator approves them."""

import contextlib
import socket

from accounts import free_port
from cencd import Cencd, Modem, imei_of, is_closed, is_free, read_exactly, wait_until
from test_admin import Admin as _Admin

ONE, TWO, THREE = imei_of(1), imei_of(2), imei_of(3)


class Approve(_Admin):
    def begin(self):
        self.socks = free_port()
        self.server = Cencd({"server": {"state_dir": str(self.state)}, "agents": {"listeners": [
            {"name": "socks", "kind": "socks5", "address": f"127.0.0.1:{self.socks}"}]}},
                            {"admission": "approve"})
        self.addCleanup(self.kill)

    def stop(self):
        self.server.stop()
        wait_until(lambda: is_free(self.server.port), "the port is still taken")

    def unapproved(self):
        return [one["serial"] for one in self.list("device", "--unapproved")]

    def socks_reply(self, serial):
        """To the extended agent that the server made itself."""
        name, _, password = (self.state / "first-agent").read_text().strip().partition(":")
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.socks), 40)) as agent:
            agent.sendall(b"\5\1\2" + bytes([1, len(name)]) + name.encode() +
                          bytes([len(password)]) + password.encode() +
                          b"\5\1\0\3" + bytes([len(serial)]) + serial.encode() + b"\0\1")
            self.assertEqual(read_exactly(agent, 4), b"\5\2\1\0")
            return read_exactly(agent, 2)[1]

    def test_nobody_reaches_it_until_it_is_approved(self):
        self.begin()
        self.ctl("device", "add", TWO)
        with contextlib.closing(Modem(self.server, 1)) as one, \
                contextlib.closing(Modem(self.server, 2)) as two:
            self.assertEqual(self.unapproved(), [ONE])  # who was entered by hand is approved
            with contextlib.closing(one.agent()) as agent:  # a direct port for everybody
                self.assertTrue(is_closed(agent))
            self.server.wait_logged(cause="not_approved")
            self.assertEqual(self.socks_reply(ONE), 2)
            self.assertEqual(self.socks_reply(TWO), 0)
            wait_until(lambda: not self.list("session"), "the session goes on")
            with contextlib.closing(two.agent()) as agent:
                agent.sendall(b"ask")
                self.assertEqual(read_exactly(two.socket, 3), b"ask")
        self.restart()
        self.assertEqual(self.unapproved(), [ONE])
        with contextlib.closing(Modem(self.server, 1)) as one:
            self.ctl("device", "approve", ONE)
            self.ctl("device", "approve", ONE)  # what is so already is done
            self.assertEqual(self.socks_reply(ONE), 0)
        self.assertIn("device_approved", self.ctl("audit"))
        self.restart()
        self.assertEqual(self.unapproved(), [])

    def test_after_the_loss_of_what_told_it(self):
        """Store and the journal's first segment are gone: a device that had never been approved was
        let in."""
        self.begin()
        Modem(self.server, 1).close()
        self.stop()
        first = sorted((self.state / "journal").iterdir())
        self.server.start()
        Modem(self.server, 1).close()
        self.stop()
        for path in first + list(self.state.glob("directory.sqlite*")):
            path.unlink()
        for _ in range(2):  # as loaded from the journal, then from the store
            self.server.start()
            self.assertEqual(self.unapproved(), [ONE])
            self.stop()
        self.server.start()
        self.ctl("device", "approve", ONE)
        self.restart()
        self.assertEqual(self.unapproved(), [])

    def test_several_at_once(self):
        self.begin()
        for number in 1, 2, 3:
            Modem(self.server, number).close()
        self.ctl("device", "approve", ONE, "4711", THREE, code=66)  # the others all the same
        self.assertEqual(self.unapproved(), [TWO])
        status, _, answer = self.call("PATCH", f"/v1/devices/default/{TWO}", {"approved": False})
        self.assertEqual((status, answer["error"]), (400, "invalid"))
        path = f"/v1/devices/default/{TWO}"
        self.assertEqual(self.call("PATCH", path, {"approved": True, "group": None})[0], 400)
        self.assertEqual(self.call("PATCH", path, {"approved": True})[2]["approved"], True)


# the other tests of the base are run in their own file
for _name in [name for name in dir(_Admin) if name.startswith("test_")]:
    setattr(Approve, _name, None)
del _Admin
