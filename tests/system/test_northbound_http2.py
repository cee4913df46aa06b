"""What gRPC libraries hide: raw HTTP/2 against the northbound. A client that leaves at every byte,
one that opens 10,000 streams, one that speaks nonsense; and nghttp2's h2load."""

import os
import shutil
import socket
import struct
import subprocess
import unittest

from cencd import SANITIZED, read_to_end, wait_until
from northbound import OTHER_TOKEN, TOKEN, NorthboundTest, committed, pb

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
INITIAL_WINDOW = 4  # a setting
END_STREAM, ACK, END_HEADERS = 1, 1, 4
REFUSED_STREAM = 7


def frame(kind, flags, stream, body=b""):
    return (len(body).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + body)


def literal(name, value):
    """A header field without indexing (RFC 7541, 6.2.2); texts below 127 bytes."""
    return b"".join([b"\0", bytes([len(name)]), name.encode(), bytes([len(value)]), value.encode()])


def call(stream, path, flags=END_HEADERS, token=TOKEN):
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"),
              ("content-type", "application/grpc"), ("te", "trailers"),
              ("authorization", f"Bearer {token}")]
    return frame(HEADERS, flags, stream, b"".join(literal(*field) for field in fields))


def message(stream, data, flags=0):
    return frame(DATA, flags, stream, b"\0" + struct.pack(">I", len(data)) + data)


def frames(data):
    """(kind, flags, stream, body) of all whole frames."""
    found = []
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        found.append((data[3], data[4], struct.unpack(">I", data[5:9])[0], data[9:9 + size]))
        data = data[9 + size:]
    return found


class Reader:
    """What a raw connection has been sent so far."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.setblocking(False)
        self.data = bytearray()
        self.ended = False

    def frames(self):
        try:
            while part := self.connection.recv(1 << 16):
                self.data += part
            self.ended = True
        except BlockingIOError:
            pass
        except ConnectionError:
            self.ended = True
        return frames(bytes(self.data))

    def size(self):
        return sum(len(body) for kind, _, _, body in self.frames() if kind == DATA)

    def has(self, wanted):
        return any(kind == wanted for kind, _, _, _ in self.frames())


class Http2Test(NorthboundTest):
    def connect(self, server):
        return self.connection(int(server.north.rpartition(":")[2]))

    def quiet(self, server):
        server.wait(lambda: server.metric("cencd_northbound_connections") == 0, "all are gone")
        self.assertEqual(server.metric("cencd_northbound_streams"), 0)

    def test_a_client_that_leaves_at_every_byte(self):
        server = self.server()
        acknowledge = pb.EventsRequest(acknowledge=pb.Acknowledge(sequence=1))
        session = (PREFACE + frame(SETTINGS, 0, 0) + call(1, "/cenc.v1.Northbound/Events") +
                   message(1, pb.EventsRequest(subscribe=pb.Subscribe()).SerializeToString()) +
                   message(1, acknowledge.SerializeToString()) +
                   frame(PING, 0, 0, b"12345678") +
                   call(3, "/cenc.v1.Northbound/ListDevices") + message(3, b"", END_STREAM))
        for size in range(0, len(session), 3 if SANITIZED else 1):
            connection = self.connect(server)
            connection.sendall(session[:size])
            if size % 2:  # reset, not FIN
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        self.quiet(server)
        self.assertEqual(server.metric("cencd_consumer_connected"), 0)

    def test_messages_in_pieces(self):
        """A request in frames of one byte, those in segments of their own, and empty ones between."""
        server = self.server()
        modem = self.modem(server, 1)
        request = pb.GetDeviceRequest(device=pb.DeviceKey(
            scope="default", serial=modem.imei)).SerializeToString()
        whole = b"\0" + struct.pack(">I", len(request)) + request
        connection = self.connect(server)
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + call(1, "/cenc.v1.Northbound/GetDevice"))
        for at in range(len(whole)):
            connection.sendall(frame(DATA, 0, 1) + frame(DATA, 0, 1, whole[at:at + 1]))
        connection.sendall(frame(DATA, END_STREAM, 1))
        reader = Reader(connection)
        wait_until(lambda: any(kind == HEADERS and flags & END_STREAM
                               for kind, flags, _, _ in reader.frames()), "the answer ends")
        body = b"".join(body for kind, _, _, body in reader.frames() if kind == DATA)
        answer = pb.GetDeviceResponse.FromString(body[5:])
        self.assertEqual(answer.device.device.serial, modem.imei)

    def test_a_client_that_gives_no_room(self):
        """It is sent what it has room for, and nothing more; another one is sent everything."""
        room = 300
        server = self.server(consumers=[
            {"name": "slow", "projects": "all", "token_sha256": self.hash_of(TOKEN)},
            {"name": "fast", "projects": "all", "token_sha256": self.hash_of(OTHER_TOKEN)}])
        reader = Reader(self.connect(server))
        subscribe = pb.EventsRequest(subscribe=pb.Subscribe())
        reader.connection.sendall(
            PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, room)) +
            call(1, "/cenc.v1.Northbound/Events") + message(1, subscribe.SerializeToString()))
        fast = self.stream(self.stub(server), token=OTHER_TOKEN)
        for number in range(5):
            self.modem(server, number)
        last = committed(server)
        fast.wait(lambda stream: stream.through >= last, "the other one has all")
        wait_until(lambda: reader.size() == room, "as much as it has room for")
        self.modem(server, 5)
        last = committed(server)
        fast.wait(lambda stream: stream.through >= last, "the other one goes on")
        self.assertEqual(reader.size(), room)
        reader.connection.sendall(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 50)))
        wait_until(lambda: reader.size() == room + 50, "as much more as it gave")

    def test_a_stop_is_told(self):
        """GOAWAY before the end, so that nobody takes it for a broken connection."""
        server = self.server()
        reader = Reader(self.connect(server))
        reader.connection.sendall(
            PREFACE + frame(SETTINGS, 0, 0) + call(1, "/cenc.v1.Northbound/Events") +
            message(1, pb.EventsRequest(subscribe=pb.Subscribe()).SerializeToString()))
        wait_until(lambda: reader.has(DATA), "events")
        self.assertFalse(reader.has(GOAWAY))
        server.stop()
        wait_until(lambda: reader.frames() and reader.ended, "the connection ends")
        self.assertTrue(reader.has(GOAWAY))
        trailers = [flags for kind, flags, stream, _ in reader.frames()
                    if kind == HEADERS and stream == 1]
        self.assertTrue(trailers[-1] & END_STREAM)

    def test_ten_thousand_streams(self):
        """Beyond the limit streams are refused, or the client that was told of it is sent away."""
        server = self.server()
        connection = self.connect(server)
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
        opening = b"".join(call(2 * i + 1, "/cenc.v1.Northbound/Events") for i in range(10000))
        try:
            connection.sendall(opening)
        except OSError:
            pass  # it had enough
        reader = Reader(connection)

        def had_enough():
            return any(kind == GOAWAY or kind == RST_STREAM and
                       struct.unpack(">I", body)[0] == REFUSED_STREAM
                       for kind, _, _, body in reader.frames())
        wait_until(had_enough, "streams are refused, or the client is sent away")
        self.assertLessEqual(server.metric("cencd_northbound_streams"), 100)
        connection.close()
        self.quiet(server)
        self.ask(self.stub(server).ListDevices, pb.ListDevicesRequest())

    def test_nonsense(self):
        server = self.server()
        for nonsense in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 1000, os.urandom(1000),
                         PREFACE + frame(DATA, 0, 1, b"x"), PREFACE + frame(SETTINGS, 0, 1),
                         PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 4, 2, b"\xff")):
            connection = self.connect(server)
            connection.sendall(nonsense)
            read_to_end(connection)
        server.wait_closed("consumer", "protocol", 6)
        self.quiet(server)

    def test_more_connections_than_allowed(self):
        """Whoever has logged in keeps his place. A stranger gives way to one who comes later, else a
        few of them could keep all consumers out."""
        server = self.server(northbound={"max_connections": 2})
        strangers = [self.connect(server) for _ in range(2)]
        for connection in strangers:
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
            self.assertTrue(connection.recv(1))
        stubs = [self.stub(server) for _ in range(2)]
        for stub, stranger in zip(stubs, strangers):
            self.ask(stub.ListDevices, pb.ListDevicesRequest())
            read_to_end(stranger)
        server.wait_closed("limit", "consumers", 2)
        self.assertEqual(read_to_end(self.connect(server)), b"")
        server.wait_closed("limit", "consumers", 3)
        for stub in stubs:
            self.ask(stub.ListDevices, pb.ListDevicesRequest())
        self.assertEqual(server.metric("cencd_northbound_accepts_total"), 5)

    @unittest.skipUnless(shutil.which("h2load"), "h2load is not installed")
    def test_h2load(self):
        """Every call is answered with HTTP 200; whether it may, is gRPC's business."""
        server = self.server()
        body = self.folder_file("body", b"\0\0\0\0\0")
        result = subprocess.run(
            ["h2load", "-n", "2000", "-c", "10", "-m", "50", "-d", body, "-H", "te: trailers",
             "-H", "content-type: application/grpc", "-H", f"authorization: Bearer {TOKEN}",
             f"http://{server.north}/cenc.v1.Northbound/ListDevices"],
            check=True, capture_output=True, text=True)
        self.assertIn("2000 succeeded, 0 failed, 0 errored, 0 timeout", result.stdout)
        self.assertIn("2000 2xx", result.stdout)
        self.assertEqual(
            server.metrics()['cencd_northbound_statuses_total{status="OK"}'], 2000)
        self.quiet(server)

    @staticmethod
    def folder_file(name, data):
        path = os.path.join(os.environ["TMPDIR"], name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def test_a_thousand_idle_consumers(self):
        """Each costs its connection and little else: readers of the journal are shared."""
        count = 100 if SANITIZED else 1000
        tokens = [f"{i:04}-" + TOKEN for i in range(count)]
        server = self.server(consumers=[
            {"name": f"c{i}", "projects": "all", "token_sha256": self.hash_of(token)}
            for i, token in enumerate(tokens)])
        before = server.resident_bytes()
        subscribe = message(1, pb.EventsRequest(subscribe=pb.Subscribe()).SerializeToString())
        for token in tokens:
            connection = self.connect(server)
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0) +
                               call(1, "/cenc.v1.Northbound/Events", token=token) + subscribe)
        server.wait(lambda: server.metric("cencd_consumer_connected") == count, "all are there")
        wait_until(lambda: server.metric("cencd_consumer_events_sent_total") >= count, "events")
        if not SANITIZED:
            self.assertLess(server.resident_bytes() - before, count * 100_000)
