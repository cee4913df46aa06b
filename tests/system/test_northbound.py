"""The head-end's door, with Google's gRPC for Python: events, devices, registration, and what a
client may do wrong."""

import pathlib
import threading

import grpc

import cencd
import northbound
import segments
from cencd import hello, imei_of
from northbound import OTHER_TOKEN, TOKEN, NorthboundTest, committed, pb

Code = grpc.StatusCode


class EventsTest(NorthboundTest):
    def test_a_first_day_without_a_gap(self):
        """List, then subscribe from there: every device is in one of the two."""
        server = self.server()
        stub = self.stub(server)
        for number in range(5):
            self.modem(server, number)
        devices, sequence = self.all_devices(stub, page_size=2)
        self.modem(server, 5)
        stream = self.stream(stub, pb.Subscribe(start=pb.START_SEQUENCE, from_sequence=sequence))
        stream.wait(lambda s: imei_of(5) in [event.device.serial for event in s.events],
                    "the sixth is told of")
        listed = {device.device.serial for device in devices}
        added = {event.device.serial for event in stream.events
                 if event.WhichOneof("body") == "device_added"}
        self.assertEqual(listed | added, {imei_of(number) for number in range(6)})
        self.assertTrue({imei_of(number) for number in range(5)} <= listed)
        self.assertGreaterEqual(min(stream.sequences), sequence)
        self.assertEqual(devices[0].registration.state, pb.REGISTRATION_STATE_WAITING)
        self.assertEqual(devices[0].status.presence, pb.PRESENCE_IDLE)

    def test_acknowledged_is_not_sent_again(self):
        server = self.server()
        stub = self.stub(server)
        self.modem(server, 1)
        stream = self.stream(stub, acknowledge=False)
        stream.wait(lambda s: "connected" in s.kinds(), "all events")
        last = committed(server)
        stream.wait(lambda s: s.through >= last, "all events")
        self.assertEqual(stream.sequences, sorted(stream.sequences))
        first = stream.sequences[0]
        # twice is as good as once, and an older one changes nothing
        for sequence in (first + 1, first + 1, first):
            stream.acknowledge(sequence)
        server.wait(lambda: server.metric("cencd_consumer_position") == first + 1,
                    "it is acknowledged")
        stream.close()
        again = self.stream(stub, acknowledge=False)
        again.wait(lambda s: s.through >= last, "the rest")
        self.assertEqual(again.sequences[0], first + 2)
        # what was acknowledged can be asked for all the same
        by_number = self.stream(stub, pb.Subscribe(start=pb.START_SEQUENCE, from_sequence=first))
        by_number.wait(lambda s: s.through >= last, "all events")
        self.assertEqual(by_number.sequences[0], first)
        oldest = self.stream(stub, pb.Subscribe(start=pb.START_OLDEST))
        oldest.wait(lambda s: s.through >= last, "all events")
        self.assertEqual(oldest.sequences[0], 1)

    def test_who_goes_back_goes_on_there(self):
        """A HES that was restored from a backup asks for old events, deals with a few, and its stream
        breaks off. The next one went on where it had been before the restore: all between was left
        out, and nothing said so."""
        server = self.server()
        stub = self.stub(server)
        for number in range(3):
            self.modem(server, number)
        all_of_them = self.stream(stub)
        all_of_them.wait(lambda s: s.kinds().count("connected") == 3, "all events")
        sequences = all_of_them.sequences
        last = sequences[-1]
        server.wait(lambda: server.metric("cencd_consumer_position") >= last, "the position")
        all_of_them.close()
        back = self.stream(stub, pb.Subscribe(start=pb.START_SEQUENCE, from_sequence=sequences[2]),
                           acknowledge=False)
        back.wait(lambda s: s.through >= last, "all events")
        self.assertGreaterEqual(server.metric("cencd_consumer_position"), last)
        for sequence in (sequences[0], sequences[3], sequences[2]):
            back.acknowledge(sequence)
        server.wait(lambda: server.metric("cencd_consumer_position") == sequences[3], "it is back")
        back.close()
        server.stop()
        server.start()
        again = self.stream(self.stub(server), acknowledge=False)
        again.wait(lambda s: s.through >= last, "the rest")
        self.assertEqual(again.sequences[:len(sequences) - 4], sequences[4:])

    def test_the_future_is_not_acknowledged(self):
        server = self.server()
        stream = self.stream(self.stub(server), acknowledge=False)
        stream.wait(lambda s: s.events, "an event")
        stream.acknowledge(stream.through + 1)
        self.assertEqual(stream.wait_ended(), Code.INVALID_ARGUMENT)

    def test_who_never_acknowledges_is_sent_a_window(self):
        server = self.server()
        stub = self.stub(server)
        for number in range(4):
            self.modem(server, number)
        last = committed(server)
        stream = self.stream(stub, pb.Subscribe(max_unacknowledged_events=3), acknowledge=False)
        stream.wait(lambda s: len(s.events) == 3, "three events")
        # one by one, each makes room for one
        while stream.through < last:
            count = len(stream.events)
            stream.acknowledge(stream.sequences[count - 3])
            stream.wait(lambda s: len(s.events) > count or s.through >= last, "one more")
            self.assertLessEqual(len(stream.events), count + 1)
        self.assertEqual(stream.sequences, sorted(set(stream.sequences)))

    def test_filters(self):
        server = self.server()
        stub = self.stub(server)
        for number in range(3):
            self.modem(server, number)
        kinds = self.stream(stub, pb.Subscribe(
            filter=pb.EventFilter(kinds=["connected"])))
        kinds.wait(lambda s: len(s.events) >= 3, "all are connected")
        self.assertEqual(kinds.kinds(), ["connected"] * 3)
        last = committed(server)
        kinds.wait(lambda s: s.through >= last, "a progress mark")
        kinds.close()
        key = pb.DeviceKey(scope="default", serial=imei_of(1))
        # a filter that lets little through doesn't hold the position back
        server.wait(lambda: server.metric("cencd_consumer_position") >= last, "the position")
        one = self.stream(stub, pb.Subscribe(start=pb.START_OLDEST,
                                             filter=pb.EventFilter(devices=[key])))
        one.wait(lambda s: s.through >= last, "a progress mark")
        self.assertEqual({event.device.serial for event in one.events}, {imei_of(1)})
        for wrong, code in ((pb.EventFilter(kinds=["nonsense"]), Code.INVALID_ARGUMENT),
                            (pb.EventFilter(kinds=["connected"] * 101), Code.INVALID_ARGUMENT)):
            stream = self.stream(stub, pb.Subscribe(filter=wrong))
            self.assertEqual(stream.wait_ended(), code)

    def test_only_its_projects(self):
        """Devices without a project are seen by who may see all."""
        server = self.server(consumers=[
            {"name": "all", "projects": "all", "token_sha256": self.hash_of(TOKEN)},
            {"name": "north", "projects": ["north"], "token_sha256": self.hash_of(OTHER_TOKEN)}])
        stub = self.stub(server)
        self.modem(server, 1)
        last = committed(server)
        stream = self.stream(stub, token=OTHER_TOKEN)
        stream.wait(lambda s: s.through >= last, "a progress mark")
        self.assertEqual(stream.events, [])
        self.assertEqual(len(self.ask(stub.ListDevices, pb.ListDevicesRequest()).devices), 1)
        page = self.ask(stub.ListDevices, pb.ListDevicesRequest(), token=OTHER_TOKEN)
        self.assertEqual(len(page.devices), 0)
        key = pb.DeviceKey(scope="default", serial=imei_of(1))
        with self.fails(Code.NOT_FOUND):
            self.ask(stub.GetDevice, pb.GetDeviceRequest(device=key), token=OTHER_TOKEN)
        with self.fails(Code.NOT_FOUND):
            self.ask(stub.ReportRegistration, pb.ReportRegistrationRequest(
                device=key, accepted_id="1"), token=OTHER_TOKEN)
        with self.fails(Code.PERMISSION_DENIED):
            self.ask(stub.ListDevices, pb.ListDevicesRequest(projects=["south"]),
                     token=OTHER_TOKEN)
        named = self.stream(stub, pb.Subscribe(filter=pb.EventFilter(projects=["south"])),
                            token=OTHER_TOKEN)
        self.assertEqual(named.wait_ended(), Code.PERMISSION_DENIED)

    def test_the_newest_stream_wins(self):
        server = self.server()
        stub = self.stub(server)
        first = self.stream(stub)
        first.wait(lambda s: s.events, "an event")
        second = self.stream(stub)
        self.assertEqual(first.wait_ended(), Code.ABORTED)
        self.modem(server, 1)
        second.wait(lambda s: "connected" in s.kinds(), "events go on")

    def test_a_removed_event_is_told(self):
        """Retention removed what was not acknowledged: here, by another journal in its place."""
        server = self.server()
        stub = self.stub(server)
        stream = self.stream(stub)
        stream.wait(lambda s: s.events, "an event")
        server.stop()
        segments.replace(pathlib.Path(server.config["server"]["state_dir"]) / "journal", 1001)
        server.start()
        stub = self.stub(server)
        line = server.wait_logged(level="warn", consumer="hes", oldest="1001")[0]
        self.assertEqual(server.metric("cencd_consumer_removed_events"),
                         1000 - int(line["acknowledged"]))
        for subscribe in (pb.Subscribe(),
                          pb.Subscribe(start=pb.START_SEQUENCE, from_sequence=1000)):
            stream = self.stream(stub, subscribe)
            self.assertEqual(stream.wait_ended(), Code.OUT_OF_RANGE)
            self.assertEqual(stream.trailers()["cenc-oldest-sequence"], "1001")
            self.assertGreaterEqual(int(stream.trailers()["cenc-newest-sequence"]), 1003)
            self.assertIn("the oldest that is kept is 1001", stream.error.details())
        oldest = self.stream(stub, pb.Subscribe(start=pb.START_OLDEST))
        oldest.wait(lambda s: s.events, "events")
        self.assertEqual(oldest.sequences[0], 1001)
        server.wait(lambda: server.metric("cencd_consumer_position") > 1000, "the position")
        self.assertEqual(server.metric("cencd_consumer_removed_events"), 0)
        oldest.close()
        self.modem(server, 1)
        resumed = self.stream(stub)
        resumed.wait(lambda s: "connected" in s.kinds(), "events go on")


class CallsTest(NorthboundTest):
    def test_registration(self):
        server = self.server()
        stub = self.stub(server)
        waiting = stub.WatchRegistrations(pb.WatchRegistrationsRequest(),
                                          metadata=self.bearer())
        self.addCleanup(waiting.cancel)
        modem = self.modem(server, 1)
        announced = next(waiting).devices[0]
        self.assertEqual(announced.device.kind, "irz-modem")
        self.assertEqual(announced.device.serial, imei_of(1))
        self.assertEqual(announced.device.model, "ATM21")
        self.assertEqual(announced.status.signal.csq, 16)
        self.assertEqual(announced.status.listener, "irz")
        self.assertEqual(announced.status.direct_port, modem.direct_port)
        self.assertEqual((announced.status.peer.address, announced.status.peer.port),
                         modem.socket.getsockname())
        self.assertEqual(announced.project, "")
        key = pb.DeviceKey(scope="default", serial=imei_of(1))
        answer = self.ask(stub.ReportRegistration,
                          pb.ReportRegistrationRequest(device=key, accepted_id="M 17"))
        again = self.ask(stub.ReportRegistration,
                         pb.ReportRegistrationRequest(device=key, accepted_id="M 17"))
        self.assertGreater(answer.sequence, 0)
        self.assertEqual(again.sequence, 0)
        device = self.ask(stub.GetDevice, pb.GetDeviceRequest(device=key)).device
        self.assertEqual(device.registration.state, pb.REGISTRATION_STATE_ACCEPTED)
        self.assertEqual(device.registration.id, "M 17")
        self.assertEqual(device.registration.consumer, "hes")
        self.assertEqual(server.metric("cencd_northbound_registrations_waiting"), 0)
        stream = self.stream(stub)
        stream.wait(lambda s: "registration_reported" in s.kinds(), "the event")
        reported = stream.events[stream.kinds().index("registration_reported")]
        self.assertEqual((reported.sequence, reported.actor.name), (answer.sequence, "hes"))
        refused = pb.ReportRegistrationRequest(device=key, refused_reason="unknown meter")
        self.assertGreater(self.ask(stub.ReportRegistration, refused).sequence, 0)
        with self.fails(Code.INVALID_ARGUMENT):
            self.ask(stub.ReportRegistration, pb.ReportRegistrationRequest(device=key))
        with self.fails(Code.INVALID_ARGUMENT):
            self.ask(stub.ReportRegistration,
                     pb.ReportRegistrationRequest(device=key, accepted_id="x" * 129))

    def test_registrations_wait_on_the_disk(self):
        server = self.server()
        self.modem(server, 1)
        self.modem(server, 2)
        stub = self.stub(server)
        key = pb.DeviceKey(scope="default", serial=imei_of(1))
        self.ask(stub.ReportRegistration, pb.ReportRegistrationRequest(device=key, accepted_id="1"))
        server.kill()
        server.start()
        waiting = self.stub(server).WatchRegistrations(pb.WatchRegistrationsRequest(),
                                                       metadata=self.bearer())
        self.addCleanup(waiting.cancel)
        self.assertEqual([device.device.serial for device in next(waiting).devices], [imei_of(2)])
        device = self.ask(self.stub(server).GetDevice, pb.GetDeviceRequest(device=key)).device
        self.assertEqual(device.registration.id, "1")

    def test_status_on_change(self):
        server = self.server()
        modem = self.modem(server, 1)
        stub = self.stub(server)
        watch = stub.WatchDevices(pb.WatchDevicesRequest(coalesce_ms=100),
                                  metadata=self.bearer())
        self.addCleanup(watch.cancel)
        first = next(watch)
        self.assertTrue(first.complete)
        self.assertEqual(first.devices[0].presence, pb.PRESENCE_IDLE)
        agent = self.agent(modem)
        for expected in (pb.PRESENCE_IN_SESSION, pb.PRESENCE_IDLE, pb.PRESENCE_OFFLINE):
            while next(watch).devices[0].presence != expected:
                pass
            agent.close()
            if expected == pb.PRESENCE_IDLE:
                modem.close()
        links = self.ask(stub.ListLinks, pb.ListLinksRequest()).links
        self.assertEqual(len(links), 0)

    def test_bytes(self):
        """Of the newest link, with its greeting; told while a session goes on, kept after it."""
        server = self.server()
        modem = self.modem(server, 1)
        stub = self.stub(server)
        key = pb.DeviceKey(scope="default", serial=imei_of(1))

        def status():
            return self.ask(stub.GetDevice, pb.GetDeviceRequest(device=key)).device.status

        def both(of):
            return (of.bytes_received, of.bytes_sent)

        begin = len(hello(imei_of(1)))
        server.wait(lambda: both(status()) == (begin, 0), "its greeting counts")
        watch = stub.WatchDevices(pb.WatchDevicesRequest(coalesce_ms=100, changes_only=True),
                                  metadata=self.bearer())
        self.addCleanup(watch.cancel)
        agent = self.agent(modem)
        agent.sendall(b"q" * 20)
        self.assertEqual(modem.receive(20), b"q" * 20)
        modem.send(b"a" * 3000)
        self.assertEqual(len(cencd.read_exactly(agent, 3000)), 3000)
        server.wait(lambda: both(status()) == (begin + 3000, 20), "they are told in the session")
        agent.sendall(b"q")
        self.assertEqual(modem.receive(1), b"q")
        agent.close()
        server.wait_device(modem.imei, "idle")
        server.wait(lambda: both(status()) == (begin + 3000, 21), "and after the session")
        while (told := next(watch).devices[0]).presence != pb.PRESENCE_IDLE:
            pass
        self.assertEqual(both(told), (begin + 3000, 21))
        modem.close()
        server.wait_device(modem.imei, "offline")
        server.wait(lambda: both(status()) == (begin + 3000, 21), "and after the link")
        row = server.stats()["devices"][0]
        self.assertEqual((row["bytes_received"], row["bytes_sent"]), (begin + 3000, 21))
        stream = self.stream(stub)
        stream.wait(lambda s: "disconnected" in s.kinds(), "the event")
        gone = stream.events[stream.kinds().index("disconnected")].disconnected
        self.assertEqual(both(gone), (begin + 3000, 21))
        self.modem(server, 1)
        self.assertEqual(both(status()), (begin, 0))

    def test_links(self):
        server = self.server()
        for number in range(3):
            self.modem(server, number)
        stub = self.stub(server)
        seen, token = [], ""
        while True:
            page = self.ask(stub.ListLinks, pb.ListLinksRequest(page_size=2, page_token=token))
            seen += [link.device.serial for link in page.links]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(sorted(seen), [imei_of(number) for number in range(3)])
        self.assertEqual(page.links[-1].peer.address, "127.0.0.1")
        for wrong in (pb.ListLinksRequest(page_token="x"), pb.ListLinksRequest(page_size=1001)):
            with self.fails(Code.INVALID_ARGUMENT):
                self.ask(stub.ListLinks, wrong)

    def test_who_may_call(self):
        server = self.server()
        stub = self.stub(server)
        for metadata in ((), self.bearer("wrong" * 8), (("authorization", "Basic eDp5"),)):
            with self.fails(Code.UNAUTHENTICATED):
                stub.ListDevices(pb.ListDevicesRequest(), metadata=metadata, timeout=cencd.LIMIT_S)
        self.assertEqual(server.metric("cencd_northbound_unauthenticated_total"), 3)
        self.assertNotIn(TOKEN, server.log())
        self.assertNotIn("wrongwrong", server.log())
        named = self.stream(stub, pb.Subscribe(consumer="somebody"))
        self.assertEqual(named.wait_ended(), Code.PERMISSION_DENIED)

    def test_a_deadline(self):
        server = self.server()
        stream = self.stream(self.stub(server), timeout=1)
        self.assertEqual(stream.wait_ended(), Code.DEADLINE_EXCEEDED)
        server.wait(lambda: server.metric("cencd_northbound_streams") == 0, "the stream is gone")

    def test_a_cancel(self):
        server = self.server()
        stream = self.stream(self.stub(server))
        stream.wait(lambda s: s.events, "an event")
        self.assertEqual(server.metric("cencd_consumer_connected"), 1)
        stream.call.cancel()
        server.wait(lambda: server.metric("cencd_consumer_connected") == 0, "it is gone")

    def test_what_is_no_call(self):
        server = self.server()
        channel = self.channel(server)
        for path, request, code in (
                ("/cenc.v1.Northbound/Nothing", b"", Code.UNIMPLEMENTED),
                ("/cenc.v1.Northbound/GetDevice", b"\xff\xff", Code.INVALID_ARGUMENT),
                ("/cenc.v1.Northbound/GetDevice", b"x" * (100 << 20), Code.RESOURCE_EXHAUSTED)):
            call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
            with self.fails(code):
                call(request, metadata=self.bearer(), timeout=40)
        with self.fails(Code.RESOURCE_EXHAUSTED):
            self.ask(self.stub(server).ListDevices, pb.ListDevicesRequest(),
                     token="x" * 8000 + "y" * 8000)
        gzip = self.stub(server)
        with self.fails(Code.UNIMPLEMENTED):
            self.ask(gzip.ListDevices, pb.ListDevicesRequest(projects=["x" * 90] * 50),
                     compression=grpc.Compression.Gzip)

    def test_too_many_pings(self):
        server = self.server()
        stub = self.stub(server, options=[
            ("grpc.keepalive_time_ms", 100), ("grpc.http2.max_pings_without_data", 0),
            ("grpc.keepalive_permit_without_calls", 1)])
        stream = self.stream(stub, acknowledge=False)
        self.assertEqual(stream.wait_ended(), Code.UNAVAILABLE)
        server.wait_closed("consumer", "pings")

    def test_health(self):
        server = self.server()
        channel = self.channel(server)
        request = northbound.messages("grpc.health.v1", "HealthCheckRequest")
        response = northbound.messages("grpc.health.v1", "HealthCheckResponse")
        check = channel.unary_unary("/grpc.health.v1.Health/Check",
                                    request_serializer=request.SerializeToString,
                                    response_deserializer=response.FromString)
        for service in ("", "cenc.v1.Northbound"):
            self.assertEqual(check(request(service=service), timeout=cencd.LIMIT_S).status, 1)
        with self.fails(Code.NOT_FOUND):
            check(request(service="x"), timeout=cencd.LIMIT_S)
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch",
                                     request_serializer=request.SerializeToString,
                                     response_deserializer=response.FromString)(
                                         request(), metadata=self.bearer())
        self.assertEqual(next(watch).status, 1)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        self.assertEqual(next(watch).status, 2)
        with self.assertRaises(grpc.RpcError):
            next(watch)
        stopping.join()

    def test_reflection(self):
        from google.protobuf import descriptor_pb2
        server = self.server()
        channel = self.channel(server)
        for version in ("v1", "v1alpha"):
            package = f"grpc.reflection.{version}"
            request = northbound.messages(package, "ServerReflectionRequest")
            response = northbound.messages(package, "ServerReflectionResponse")
            ask = channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo",
                                        request_serializer=request.SerializeToString,
                                        response_deserializer=response.FromString)
            answers = list(ask(iter([
                request(list_services="*"),
                request(file_containing_symbol="cenc.v1.Northbound.Events"),
                request(file_containing_symbol="cenc.v1.Event"),
                request(file_by_filename="cenc/v1/common.proto"),
                request(file_by_filename="cenc/private/v1/records.proto"),
            ]), metadata=self.bearer(), timeout=cencd.LIMIT_S))
            names = {service.name for service in answers[0].list_services_response.service}
            self.assertEqual(names, {"cenc.v1.Northbound", "grpc.health.v1.Health",
                                     "grpc.reflection.v1.ServerReflection",
                                     "grpc.reflection.v1alpha.ServerReflection"})
            files = [descriptor_pb2.FileDescriptorProto.FromString(data).name for data in
                     answers[1].file_descriptor_response.file_descriptor_proto]
            self.assertEqual(sorted(files), [f"cenc/v1/{name}.proto" for name in (
                "common", "directory", "events", "northbound", "readings")])
            self.assertEqual(len(answers[2].file_descriptor_response.file_descriptor_proto), 4)
            self.assertEqual(len(answers[3].file_descriptor_response.file_descriptor_proto), 1)
            self.assertEqual(answers[4].error_response.error_code, 5)


class StopTest(NorthboundTest):
    def test_a_stop_ends_streams(self):
        server = self.server()
        stub = self.stub(server)
        stream = self.stream(stub)
        stream.wait(lambda s: s.events, "an event")
        server.stop()
        self.assertEqual(stream.wait_ended(), Code.UNAVAILABLE)
        self.assertIn("server_stopping", self.after_restart(server))

    def after_restart(self, server):
        """What was acknowledged before the stop stays so."""
        server.start()
        stream = self.stream(self.stub(server))
        stream.wait(lambda s: s.kinds().count("server_started") == 1, "the start")
        self.assertGreater(stream.sequences[0], 1)
        return stream.kinds()
