"""Two projects, two head-ends: each sees what is its project's, by every call, and nothing else; also
when a device moves from one to the other. A third one that may see all is the measure."""

import pathlib
import subprocess
import threading

import grpc

import cencd
from cencd import LIMIT_S, imei_of, wait_until
from northbound import NorthboundTest, committed, pb

Code = grpc.StatusCode
TOKENS = {name: f"a-token-that-is-{name}-and-32-characters" for name in ("all", "north", "south")}
NORTH, SOUTH, NOWHERE = (imei_of(number) for number in (1, 2, 3))


class Watch:
    """A stream from the server, read in a thread: all the messages in its responses."""

    def __init__(self, call):
        self.call = call
        self.seen = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for response in self.call:
                self.seen += response.devices
        except grpc.RpcError:
            pass

    def serials(self):
        return {item.device.serial for item in list(self.seen)}

    def wait(self, condition, what):
        wait_until(lambda: condition(list(self.seen)), what, lambda: str(self.seen)[-2000:])

    def close(self):
        self.call.cancel()
        self.thread.join(LIMIT_S)


class ProjectsTest(NorthboundTest):
    def setUp(self):
        super().setUp()
        self.running = self.server(consumers=[
            {"name": name, "token_sha256": self.hash_of(token),
             "projects": "all" if name == "all" else [name]} for name, token in TOKENS.items()])
        self.north_stub = self.stub(self.running)
        for name in "north", "south":
            self.ctl("project", "add", name)
        self.modems = [self.modem(self.running, number) for number in (1, 2, 3)]
        self.ctl("device", "move", NORTH, "--project", "north")
        self.ctl("device", "move", SOUTH, "--project", "south")

    def ctl(self, *words):
        folder = pathlib.Path(self.running.config["server"]["state_dir"])
        subprocess.run([cencd.PROGRAM.with_name("cencctl"), *words, "--socket",
                        folder / "admin.sock"], check=True, capture_output=True, timeout=LIMIT_S)

    def call(self, method, request, who):
        return self.ask(getattr(self.north_stub, method), request, token=TOKENS[who])

    def watch(self, method, request, who):
        return self.keep(Watch(getattr(self.north_stub, method)(
            request, metadata=self.bearer(TOKENS[who]))))

    def assert_sees(self, who, serials, online):
        """By each of the calls that list or name devices."""
        devices = self.call("ListDevices", pb.ListDevicesRequest(), who).devices
        links = self.call("ListLinks", pb.ListLinksRequest(), who).links
        self.assertEqual({device.device.serial for device in devices}, set(serials))
        self.assertEqual({link.device.serial for link in links}, set(serials) & set(online))
        for serial in NORTH, SOUTH, NOWHERE:
            key = pb.DeviceKey(scope="default", serial=serial)
            if serial in serials:
                self.call("GetDevice", pb.GetDeviceRequest(device=key), who)
                continue
            with self.fails(Code.NOT_FOUND):
                self.call("GetDevice", pb.GetDeviceRequest(device=key), who)
            with self.fails(Code.NOT_FOUND):
                self.call("ReportRegistration", pb.ReportRegistrationRequest(
                    device=key, accepted_id="1"), who)

    def events(self, who, **filters):
        return self.stream(self.north_stub, pb.Subscribe(
            start=pb.START_OLDEST, filter=pb.EventFilter(**filters)), token=TOKENS[who])

    def assert_halves(self, streams, everything):
        """Of a move between projects each is told its own half; `all` is told the whole."""
        moves = [event for event in everything if event.WhichOneof("body") == "device_moved" and
                 event.device_moved.former_project != event.project]
        for who in "north", "south":
            shown = {event.sequence: event for event in streams[who].events}
            for whole in moves:
                if who not in (whole.project, whole.device_moved.former_project):
                    continue
                half = shown[whole.sequence]
                self.assertEqual(half.device, whole.device)
                self.assertEqual((half.project, half.device_moved.former_project),
                                 tuple(name if name == who else "" for name in
                                       (whole.project, whole.device_moved.former_project)))
                if whole.project != who:
                    self.assertEqual(half.device_moved.project_id, 0)

    @staticmethod
    def of_project(events, name):
        return [event.sequence for event in events if event.project == name or
                event.WhichOneof("body") == "device_moved" and
                event.device_moved.former_project == name]

    def assert_events(self):
        """What north and south were sent is what `all` was sent of their projects."""
        last = committed(self.running)
        streams = {who: self.events(who) for who in TOKENS}
        for stream in streams.values():
            stream.wait(lambda s: s.through >= last, "all events")
        everything = [event for event in streams["all"].events if event.sequence <= last]
        for who in "north", "south":
            wanted = self.of_project(everything, who)
            self.assertGreater(len(wanted), 0)
            self.assertEqual([each for each in streams[who].sequences if each <= last], wanted)
        self.assert_halves(streams, everything)
        for stream in streams.values():
            stream.close()
        return everything

    def test_each_sees_its_own(self):
        everyone = [NORTH, SOUTH, NOWHERE]
        self.assert_sees("north", [NORTH], everyone)
        self.assert_sees("south", [SOUTH], everyone)
        self.assert_sees("all", everyone, everyone)
        watch = {who: self.watch("WatchDevices", pb.WatchDevicesRequest(coalesce_ms=100), who)
                 for who in ("north", "south")}
        agent = self.agent(self.modems[0])
        cencd.ping(agent, self.modems[0])
        watch["north"].wait(lambda seen: any(each.presence == pb.PRESENCE_IN_SESSION
                                             for each in seen), "its session")
        agent.close()
        self.modems[1].close()
        watch["south"].wait(lambda seen: any(each.presence == pb.PRESENCE_OFFLINE
                                             for each in seen), "its device left")
        self.assertEqual(watch["north"].serials(), {NORTH})
        self.assertEqual(watch["south"].serials(), {SOUTH})
        self.assert_sees("south", [SOUTH], [NORTH, NOWHERE])
        kinds = {(event.project, event.WhichOneof("body")) for event in self.assert_events()}
        self.assertIn(("north", "access_started"), kinds)
        self.assertIn(("south", "disconnected"), kinds)
        for calls in (("ListDevices", pb.ListDevicesRequest(projects=["south"])),
                      ("ListLinks", pb.ListLinksRequest(projects=["north", "south"]))):
            with self.fails(Code.PERMISSION_DENIED):
                self.call(*calls, "north")
        for method, request in (
                ("WatchDevices", pb.WatchDevicesRequest(projects=["south"])),
                ("WatchRegistrations", pb.WatchRegistrationsRequest(projects=["south"]))):
            with self.fails(Code.PERMISSION_DENIED):
                next(getattr(self.north_stub, method)(request,
                                                      metadata=self.bearer(TOKENS["north"])))
        # naming a device doesn't open another's project
        last = committed(self.running)
        named = self.events("north", devices=[pb.DeviceKey(scope="default", serial=SOUTH)])
        named.wait(lambda s: s.through >= last, "all events")
        self.assertEqual(named.events, [])

    def test_a_channel_is_of_its_project(self):
        self.ctl("channel", "add", "bus", "--host", "10.0.0.1", "--port", "502", "--exclusive",
                 "--project", "north")
        self.ctl("device", "move", NORTH, "--channel", "bus")
        key = pb.DeviceKey(scope="default", serial=NORTH)
        state = self.call("GetDevice", pb.GetDeviceRequest(device=key), "north").device.state
        self.assertEqual((state.channel, state.channel_id), ("bus", 1))
        everything = self.assert_events()
        [added] = [event for event in everything if event.WhichOneof("body") == "channel_added"]
        self.assertEqual(added.project, "north")
        self.assertEqual((added.channel_added.item.host, added.channel_added.item.port,
                          added.channel_added.item.exclusive), ("10.0.0.1", 502, True))
        moved = [event.device_moved.channel for event in everything
                 if event.WhichOneof("body") == "device_moved"]
        self.assertEqual(moved[-1], "bus")

    def test_a_device_moves(self):
        registrations = {who: self.watch("WatchRegistrations", pb.WatchRegistrationsRequest(), who)
                         for who in ("north", "south")}
        statuses = self.watch("WatchDevices", pb.WatchDevicesRequest(
            coalesce_ms=100, changes_only=True), "south")
        registrations["north"].wait(lambda seen: seen, "its own waits")
        registrations["south"].wait(lambda seen: seen, "its own waits")
        self.assertEqual(registrations["south"].serials(), {SOUTH})
        self.ctl("device", "move", NORTH, "--project", "south")
        registrations["south"].wait(lambda seen: any(each.device.serial == NORTH for each in seen),
                                    "the one that came is announced")
        statuses.wait(lambda seen: any(each.device.serial == NORTH for each in seen),
                      "its status is told")
        self.assert_sees("north", [], [])
        self.assert_sees("south", [NORTH, SOUTH], [NORTH, SOUTH, NOWHERE])
        key = pb.DeviceKey(scope="default", serial=NORTH)
        self.call("ReportRegistration",
                  pb.ReportRegistrationRequest(device=key, accepted_id="17"), "south")
        self.modems[0].close()
        self.running.wait_device(NORTH, "offline")
        statuses.wait(lambda seen: any(each.presence == pb.PRESENCE_OFFLINE for each in seen),
                      "it left")
        events = self.assert_events()
        of_north = [event.WhichOneof("body") for event in events
                    if event.sequence in self.of_project(events, "north") and
                    event.HasField("device")]
        # it came, and that it went is the last that its former project hears of it
        self.assertEqual(of_north, ["device_moved", "device_moved"])
        self.assertEqual(registrations["north"].serials(), {NORTH})
        self.ctl("device", "move", NORTH, "--project", "")
        self.assert_sees("south", [SOUTH], [SOUTH])
        self.assert_sees("north", [], [])


class MissingTest(NorthboundTest):
    """A consumer's projects are names in the configuration. One that no project has was silence."""

    def test_a_project_that_is_not_there(self):
        name = "cencd_consumer_projects_missing"
        server = self.server(consumers=[
            {"name": "hes", "projects": ["north"], "token_sha256": self.hash_of(TOKENS["north"])}])

        def ctl(*words):
            subprocess.run([cencd.PROGRAM.with_name("cencctl"), *words, "--socket", pathlib.Path(
                server.config["server"]["state_dir"]) / "admin.sock"],
                           check=True, capture_output=True, timeout=LIMIT_S)

        def missing():
            return server.stats()["northbound"]["consumers"][0]["projects_missing"]
        server.wait_logged(level="warn", consumer="hes", project="north")
        self.assertEqual((server.metric(name), missing()), (1, ["north"]))
        ctl("project", "add", "north")
        server.wait(lambda: server.metric(name) == 0, "it is there")
        server.wait_logged(level="info", consumer="hes", project="north")
        ctl("project", "set", "north", "--name", "South")
        server.wait(lambda: missing() == ["north"], "its name is another one")
        server.wait_logged(count=2, level="warn", consumer="hes", project="north")
