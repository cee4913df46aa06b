"""What the programmer of a head-end system and whoever keeps the server are told: the sentence beside
each status, and the lines of the log about consumers."""

import grpc

from cencd import LIMIT_S, imei_of
from northbound import OTHER_TOKEN, TOKEN, NorthboundTest, pb

Code = grpc.StatusCode


class WordsTest(NorthboundTest):
    def setUp(self):
        super().setUp()
        self.running = self.server(consumers=[
            {"name": "hes", "projects": "all", "token_sha256": self.hash_of(TOKEN)},
            {"name": "north", "projects": ["north"], "token_sha256": self.hash_of(OTHER_TOKEN)}])
        self.calls = self.stub(self.running)

    def says(self, code, words, method, request, metadata=None):
        with self.fails(code) as caught:
            getattr(self.calls, method)(request, metadata=metadata or self.bearer(), timeout=LIMIT_S)
        self.assertIn(words, caught.exception.details())

    def stream_says(self, code, words, *requests):
        with self.fails(code) as caught:
            for _ in self.calls.Events(iter(requests), metadata=self.bearer(), timeout=LIMIT_S):
                pass
        self.assertIn(words, caught.exception.details())

    def test_who_has_no_login_is_told_what_is_missing(self):
        request = pb.ListDevicesRequest()
        for metadata, words in (
                ((("x", "y"),), 'there is no token: send the metadata "authorization: Bearer TOKEN"'),
                ((("authorization", "Basic xyz"),), 'isn\'t "Bearer TOKEN"'),
                (self.bearer("wrong-" + TOKEN), "no consumer has this token")):
            self.says(Code.UNAUTHENTICATED, words, "ListDevices", request, metadata)
        self.running.wait_logged(msg="a call without a login")
        self.assertNotIn(TOKEN, self.running.log())

    def test_calls(self):
        self.modem(self.running, 1)
        there = pb.DeviceKey(scope="default", serial=imei_of(1))
        answer = pb.ReportRegistrationRequest
        for code, words, method, request in (
                (Code.NOT_FOUND, f'sees no device of scope "" and serial "{imei_of(1)}"', "GetDevice",
                 pb.GetDeviceRequest(device=pb.DeviceKey(serial=imei_of(1)))),
                (Code.NOT_FOUND, 'of scope "" and serial ""', "ReportRegistration", answer()),
                (Code.INVALID_ARGUMENT, "page_size is 1001; at most 1000", "ListDevices",
                 pb.ListDevicesRequest(page_size=1001)),
                (Code.INVALID_ARGUMENT, "no next_page_token", "ListLinks",
                 pb.ListLinksRequest(page_token="1.2")),
                (Code.INVALID_ARGUMENT, "set accepted_id or refused_reason", "ReportRegistration",
                 answer(device=there)),
                (Code.INVALID_ARGUMENT, "has 129 bytes; at most 128", "ReportRegistration",
                 answer(device=there, accepted_id="x" * 129)),
                (Code.INVALID_ARGUMENT, "a backslash or an unprintable character",
                 "ReportRegistration", answer(device=there, accepted_id="1\n2"))):
            self.says(code, words, method, request)
        self.says(Code.PERMISSION_DENIED, "project \"s\u00fcd\" isn't one of consumer north's",
                  "ListDevices", pb.ListDevicesRequest(projects=["s\u00fcd"]),
                  self.bearer(OTHER_TOKEN))

    def test_events(self):
        def subscribe(**fields):
            return pb.EventsRequest(subscribe=pb.Subscribe(**fields))
        acknowledge = pb.EventsRequest(acknowledge=pb.Acknowledge(sequence=1))
        for code, words, *requests in (
                (Code.INVALID_ARGUMENT, "before the stream has subscribed", acknowledge),
                (Code.INVALID_ARGUMENT, "has subscribed already", subscribe(), subscribe()),
                (Code.INVALID_ARGUMENT, "without subscribe or acknowledge", pb.EventsRequest()),
                (Code.INVALID_ARGUMENT, "from_sequence is 0", subscribe(start=pb.START_SEQUENCE)),
                (Code.INVALID_ARGUMENT, "from_sequence is 18446744073709551615",
                 subscribe(start=pb.START_SEQUENCE, from_sequence=2**64 - 1)),
                (Code.INVALID_ARGUMENT, 'no events of kind "Connected"',
                 subscribe(filter=pb.EventFilter(kinds=["Connected"]))),
                (Code.PERMISSION_DENIED, "consumer hes's, not other's", subscribe(consumer="other"))):
            self.stream_says(code, words, *requests)

    def test_the_log_tells_who_takes_events(self):
        first = self.stream(self.calls)
        first.wait(lambda s: s.events, "an event")
        self.running.wait_logged(msg="a consumer takes events", consumer="hes", filtered="no")
        second = self.stream(self.calls)
        self.assertEqual(first.wait_ended(), Code.ABORTED)
        self.running.wait_logged(msg="a consumer takes events no longer", consumer="hes",
                                 status="ABORTED")
        second.call.cancel()  # a close would say first that no more requests come, which is OK
        self.running.wait_logged(msg="a consumer takes events no longer", status="CANCELLED")
        self.calls = None

    def test_a_page_of_another_run(self):
        """After a restart devices may stand in another order: a list that went on would miss some."""
        for number in range(3):
            self.modem(self.running, number)
        page = self.ask(self.calls.ListDevices, pb.ListDevicesRequest(page_size=1))
        self.assertNotEqual(page.next_page_token, "")
        self.running.stop()
        self.running.start()
        self.calls = self.stub(self.running)
        self.says(Code.ABORTED, "begin with the first page", "ListDevices",
                  pb.ListDevicesRequest(page_size=1, page_token=page.next_page_token))
        self.assertEqual(len(self.all_devices(self.calls, page_size=1)[0]), 3)
