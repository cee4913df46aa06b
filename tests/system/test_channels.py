"""Channels: what an operator does with them, that it outlasts a kill, and that devices on an
exclusive one, which dial in on connections of their own, share one line."""

import contextlib
import os
import subprocess
import threading

from cencd import Modem, Task, is_closed, ping, read_exactly, wait_until
from test_admin import CENCCTL, ONE, TWO, Admin as _Admin


AGENTS, ROUNDS = 24, 3


def echo(modem, count):
    for _ in range(count):
        modem.send(modem.receive(1))


class Inside:
    """How many are in it at once, at the most."""

    def __init__(self):
        self.lock, self.now, self.most, self.times = threading.Lock(), 0, 0, 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.times += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_):
        with self.lock:
            self.now -= 1


class Channels(_Admin):
    def serve(self, wait_s):
        server = self.start(server={"state_dir": str(self.state), "shards": 4},
                            sessions={"max_waiting": AGENTS},
                            direct_ports={"anonymous": "allow", "wait_s": wait_s})
        self.ctl("channel", "add", "bus 1", "--host", "10.5.111.110", "--port", "10007",
                 "--exclusive", "--note", "RS-485")
        modems = [self.modem(number) for number in (1, 2, 3)]
        for serial in (ONE, TWO):
            self.ctl("device", "move", serial, "--channel", "bus 1")
        return server, modems

    def modem(self, number):
        modem = Modem(self.server, number)
        self.addCleanup(modem.close)
        self.server.wait_device(modem.imei)
        return modem

    def agent(self, modem):
        agent = modem.agent()
        self.addCleanup(agent.close)
        return agent

    def states(self):
        return [(session["serial"], session["state"]) for session in self.list("session")]

    # -- one line --

    def test_a_session_holds_all_devices_of_the_channel(self):
        server, (one, two, other) = self.serve(wait_s=0)
        holder = self.agent(one)
        ping(holder, one)
        self.assertTrue(is_closed(self.agent(two)))
        server.wait_logged(msg="agent refused", serial=TWO, layer="session", cause="busy")
        ping(self.agent(other), other)  # it is on no channel
        holder.close()
        server.wait_device(ONE)
        second = self.agent(two)
        ping(second, two)
        self.assertTrue(is_closed(self.agent(one)))
        self.ctl("channel", "set", "bus 1", "--not-exclusive")
        first = self.agent(one)
        ping(first, one)
        ping(second, two)

    def test_who_waits_for_the_channel_is_served_when_it_is_free(self):
        server, (one, two, _) = self.serve(wait_s=600)
        holder = self.agent(one)
        ping(holder, one)
        waiting = self.agent(two)
        waiting.sendall(b"early")
        # who comes first is served first, whichever port's shard is the faster one
        server.wait_logged(msg="agent waits", serial=TWO, channel="bus 1")
        third = self.agent(one)
        server.wait_logged(msg="agent waits", serial=ONE, channel="bus 1")
        self.assertEqual([state for _, state in self.states()], ["joined", "waiting", "waiting"])
        self.assertEqual({session["channel"] for session in self.list("session")}, {"bus 1"})
        metrics = server.metrics()
        self.assertEqual([metrics[f"cencd_{name}"] for name in
                          ("channels", "channels_exclusive", "channel_lines_held",
                           "channel_lines_waiting")], [1, 1, 1, 2])
        [session] = [session for session in self.list("session") if session["state"] == "joined"]
        self.ctl("session", "kill", session["id"])
        self.assertTrue(is_closed(holder))
        self.assertEqual(two.receive(5), b"early")
        ping(waiting, two)
        self.assertIn((ONE, "waiting"), self.states())
        two.close()  # its link is lost, the line is free
        ping(third, one)
        wait_until(lambda: self.states() == [(ONE, "joined")], "the other one has gone")
        server.wait_logged(msg="session finished", cause="device_gone", serial=TWO)

    def test_many_agents_at_once_have_the_line_one_after_another(self):
        _, (one, two, other) = self.serve(wait_s=600)
        self.ctl("device", "move", other.imei, "--channel", "bus 1")
        modems = (one, two, other)
        echoes = [Task(echo, modem, 2 * AGENTS) for modem in modems]
        inside = Inside()

        def visit(number):
            for at in range(ROUNDS):
                with contextlib.closing(modems[(number + at) % 3].agent()) as agent:
                    agent.sendall(b"x")
                    self.assertEqual(read_exactly(agent, 1), b"x")
                    with inside:
                        agent.sendall(b"y")
                        self.assertEqual(read_exactly(agent, 1), b"y")
        for task in [Task(visit, number) for number in range(AGENTS)]:
            task.result()
        for task in echoes:
            task.result()
        self.assertEqual((inside.most, inside.times), (1, AGENTS * ROUNDS))

    # -- operators --

    def test_channels_outlast_a_kill(self):
        self.serve(wait_s=0)
        self.ctl("project", "add", "north")
        self.ctl("project", "add", "east")
        self.ctl("channel", "set", "bus 1", "--project", "east", "--host", "gate.example",
                 "--disabled")
        self.ctl("channel", "add", "spare", "--host", "2001:db8::1", "--port", "502")
        self.ctl("channel", "remove", "spare")
        self.ctl("channel", "add", "other", "--host", "2001:db8::1", "--port", "502")
        self.ctl("device", "add", "new", "--channel", "other", "--project", "north")
        self.ctl("device", "move", TWO, "--no-channel")
        self.ctl("device", "move", ONE, "--project", "north")  # it stays on its channel
        before = [self.list("channel"), self.channels_of_devices()]
        self.assertEqual([(c["name"], c["project"], c["host"], c["port"], c["exclusive"],
                           c["enabled"], c["note"], c["devices"], c["id"]) for c in before[0]],
                         [("bus 1", "east", "gate.example", 10007, True, False, "RS-485", 1, 1),
                          ("other", None, "2001:db8::1", 502, False, True, "", 1, 3)])
        self.assertEqual(before[1][ONE], ("north", "bus 1"))
        self.assertEqual(before[1][TWO], (None, None))
        self.assertEqual(before[1]["new"], ("north", "other"))
        self.assertIn("it has 1 devices", self.ctl("channel", "remove", "other", code=75))
        self.assertIn("the channel bus 1", self.ctl("project", "remove", "east", code=75))
        self.restart()
        self.assertEqual([self.list("channel"), self.channels_of_devices()], before)
        self.assertEqual([d["serial"] for d in self.list("device", "--channel", "bus 1")], [ONE])
        self.assertEqual(len(self.list("device", "--channel", "")), 2)
        for words, names in ((("--exclusive",), ["bus 1"]), (("--not-exclusive",), ["other"]),
                             (("--disabled",), ["bus 1"]), (("--project", ""), ["other"]),
                             (("--host", "2001:db8::1"), ["other"]), (("--limit", "1"), ["bus 1"])):
            self.assertEqual([c["name"] for c in self.list("channel", *words)], names)
        self.assertEqual(self.call("GET", "/v1/channels?limit=1&after=1")[2]["items"][0]["name"],
                         "other")
        self.check_audit()

    def channels_of_devices(self):
        return {d["serial"]: (d["project"], d["channel"]) for d in self.list("device")}

    def check_audit(self):
        self.server.stop()
        audit = subprocess.run([CENCCTL, "audit", self.state / "journal"], capture_output=True,
                               text=True, timeout=60, check=True).stdout
        uid = f"uid:{os.getuid()}"
        for words in (rf"channel_added +{uid} +bus 1, note \"RS-485\", host \"10.5.111.110\", "
                      r"port 10007, exclusive yes",
                      rf"channel_changed +{uid} +east/bus 1, project none -> east, host "
                      r"\"10.5.111.110\" -> \"gate.example\", disabled none -> yes",
                      rf"channel_removed +{uid} +spare",
                      rf"device_moved +{TWO} +{uid} +channel bus 1 -> none"):
            self.assertRegex(audit, words)

    def test_bad_input_changes_nothing(self):
        self.serve(wait_s=0)
        before = self.list("channel")
        good = {"name": "x", "host": "10.0.0.1", "port": 1}
        for changes, status in (({"port": 0}, 400), ({"port": 65536}, 400), ({"port": "1"}, 400),
                                ({"host": ""}, 400), ({"host": "10.0.0.256"}, 400),
                                ({"host": "a" * 254}, 400), ({"host": "a b"}, 400),
                                ({"host": None}, 400), ({"name": "BUS 1"}, 409),
                                ({"name": "a\nb"}, 400), ({"project": "none"}, 404),
                                ({"exclusive": "yes"}, 400), ({"kind": "tcp"}, 400)):
            with self.subTest(changes=changes):
                self.assertEqual(self.call("POST", "/v1/channels", {**good, **changes})[0], status)
        for field in good:
            body = {name: value for name, value in good.items() if name != field}
            self.assertEqual(self.call("POST", "/v1/channels", body)[0], 400)
        path = "/v1/channels/bus%201"
        etag = self.call("GET", path)[1]["etag"]
        self.assertEqual(self.call("PATCH", path, {"port": 2}, If_Match=etag)[0], 200)
        self.assertEqual(self.call("PATCH", path, {"port": 10007}, If_Match=etag)[0], 412)
        self.assertEqual(self.call("PATCH", path, {"port": 10007})[0], 200)
        self.assertEqual(self.call("GET", "/v1/channels?exclusive=perhaps")[0], 400)
        self.assertEqual(self.call("PATCH", f"/v1/devices/default/{ONE}", {"channel": "no"})[0], 404)
        self.assertEqual(self.call("GET", "/v1/devices?channel=no")[0], 404)
        self.assertEqual(self.call("DELETE", path)[0], 409)
        [after] = self.list("channel")
        self.assertEqual({**after, "revision": 0}, {**before[0], "revision": 0})
        # a device that was moved meanwhile is another one than was looked at
        device = f"/v1/devices/default/{ONE}"
        etag = self.call("GET", device)[1]["etag"]
        self.assertEqual(self.call("PATCH", device, {"channel": None}, If_Match=etag)[0], 200)
        self.assertEqual(self.call("PATCH", device, {"channel": "bus 1"}, If_Match=etag)[0], 412)


# the other tests of the base are run in their own file
for _name in [name for name in dir(_Admin) if name.startswith("test_")
              and Channels.__dict__.get(name) is None]:
    setattr(Channels, _name, None)
del _Admin
