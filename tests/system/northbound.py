"""What the tests of the northbound share: generated code, a server with consumers, calls. The client
is Google's gRPC for Python with code that protoc makes of the tree's own .proto files."""

import contextlib
import functools
import hashlib
import importlib
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading

import grpc

import cencd
from cencd import LIMIT_S, SystemTest, wait_until

PROTOS = pathlib.Path(os.environ["CENCD_SOURCE"]) / "codec" / "proto"
TOKEN = "correct-horse-battery-staple-0123456789"
OTHER_TOKEN = "another-horse-battery-staple-0123456789"


@functools.cache
def generated():
    """(folder, cenc.v1.northbound_pb2, northbound_pb2_grpc)"""
    folder = pathlib.Path(os.environ["TMPDIR"]) / "generated"
    folder.mkdir()
    protos = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("cenc/v1/*.proto"))
    subprocess.run(["protoc", f"--proto_path={PROTOS}", f"--python_out={folder}",
                    f"--grpc_out={folder}", "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin",
                    *protos], check=True)
    sys.path.insert(0, str(folder))
    return (folder, importlib.import_module("cenc.v1.northbound_pb2"),
            importlib.import_module("cenc.v1.northbound_pb2_grpc"))


_, pb, pb_grpc = generated()


def messages(package, name):
    """A message of a package that isn't generated, since Python has its own `grpc`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    path = pathlib.Path(os.environ["TMPDIR"]) / "descriptors"
    protos = sorted(str(item.relative_to(PROTOS)) for item in PROTOS.glob("grpc/**/*.proto"))
    subprocess.run(["protoc", f"--proto_path={PROTOS}", f"--descriptor_set_out={path}", *protos],
                   check=True)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file:
        pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(
        pool.FindMessageTypeByName(f"{package}.{name}"))


class Stream:
    """A stream of events, read in a thread: everything that came, and how it ended."""

    def __init__(self, stub, credentials, subscribe, acknowledge=True, **keywords):
        self.requests = queue.SimpleQueue()
        self.responses = []
        self.error = None
        self.ended = False
        self.acknowledge_all = acknowledge
        self.requests.put(pb.EventsRequest(subscribe=subscribe))
        self.call = stub.Events(iter(self.requests.get, None), metadata=credentials, **keywords)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for response in self.call:
                self.responses.append(response)
                if self.acknowledge_all:
                    self.acknowledge(response.through)
        except grpc.RpcError as error:
            self.error = error
        self.ended = True

    def acknowledge(self, sequence):
        self.requests.put(pb.EventsRequest(acknowledge=pb.Acknowledge(sequence=sequence)))

    @property
    def events(self):
        return [event for response in list(self.responses) for event in response.events]

    @property
    def sequences(self):
        return [event.sequence for event in self.events]

    @property
    def through(self):
        return self.responses[-1].through if self.responses else 0

    def kinds(self):
        return [event.WhichOneof("body") for event in self.events]

    def wait(self, condition, what):
        return wait_until(lambda: condition(self), what,
                          lambda: f"{len(self.events)} events, {self.error}")

    def wait_ended(self):
        self.wait(lambda stream: stream.ended, "the stream ends")
        return self.error.code() if self.error else None

    def trailers(self):
        return dict(self.call.trailing_metadata())

    def close(self):
        self.requests.put(None)
        self.call.cancel()
        self.thread.join(LIMIT_S)


class NorthboundTest(SystemTest):
    def server(self, state="state", consumers=None, northbound=None, start=True, **changes):
        folder = pathlib.Path(os.environ["TMPDIR"])
        server = self.cencd(changes, ports=51, start=False)
        port = server.port + 52  # the last of its own; one direct port less
        server.config = cencd.merged(server.config, {
            "server": {"state_dir": str(folder / f"{state}-{port}")},
            "direct_ports": {"range": f"{server.port + 2}-{port - 1}"},
            "northbound": cencd.merged({
                "enabled": True, "address": f"127.0.0.1:{port}",
                "consumers": consumers or [{"name": "hes", "projects": "all",
                                            "token_sha256": self.hash_of(TOKEN)}],
            }, northbound or {}),
        })
        server.config_path.write_text(json.dumps(server.config, indent=1))
        server.north = server.config["northbound"]["address"]
        if start:
            server.start()
        return server

    @staticmethod
    def hash_of(token):
        return hashlib.sha256(token.encode()).hexdigest()

    @staticmethod
    def bearer(token=TOKEN):
        return (("authorization", f"Bearer {token}"),)

    def channel(self, server, options=(), credentials=None):
        # a channel each: otherwise the library shares connections, and a dead server's backoff
        options = [("grpc.use_local_subchannel_pool", 1),
                   ("grpc.initial_reconnect_backoff_ms", 100),
                   ("grpc.max_reconnect_backoff_ms", 300), *options]
        if credentials:
            return self.keep(grpc.secure_channel(server.north, credentials, options))
        return self.keep(grpc.insecure_channel(server.north, options))

    def stub(self, server, **keywords):
        return pb_grpc.NorthboundStub(self.channel(server, **keywords))

    def stream(self, stub, subscribe=None, token=TOKEN, **keywords):
        return self.keep(Stream(stub, self.bearer(token), subscribe or pb.Subscribe(), **keywords))

    def ask(self, method, request, token=TOKEN, **keywords):
        return method(request, metadata=self.bearer(token), timeout=LIMIT_S, **keywords)

    @contextlib.contextmanager
    def fails(self, code):
        with self.assertRaises(grpc.RpcError) as caught:
            yield caught
        self.assertEqual(caught.exception.code(), code, caught.exception.details())

    def all_devices(self, stub, **keywords):
        """(devices, sequence)"""
        devices, token = [], ""
        while True:
            page = self.ask(stub.ListDevices, pb.ListDevicesRequest(page_token=token, **keywords))
            devices += page.devices
            token = page.next_page_token
            if not token:
                return devices, page.sequence


def committed(server):
    return server.stats()["journal"]["committed"]


def recorded(server):
    """Sequences of the events in the journal: other records never leave the node."""
    journal = pathlib.Path(server.config["server"]["state_dir"]) / "journal"
    dump = subprocess.run([cencd.PROGRAM.with_name("cencctl"), "journal", "dump", journal],
                          check=True, capture_output=True, text=True).stdout
    events = (json.loads(line) for line in dump.splitlines())
    return [int(event["sequence"]) for event in events if "node" in event]


def lines(path):
    """The events that docs/examples/consumer.py wrote."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]
