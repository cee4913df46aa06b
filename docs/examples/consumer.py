#!/usr/bin/python3
"""A head-end system in a hundred lines: takes all events of a cencd, writes each one into a file, a
line of JSON each, and acknowledges what is on its disk. It may be killed at any moment, and so may
the server: the file has every event, in order; the last ones perhaps twice.

Before it runs, generate the code (Debian: protobuf-compiler, protobuf-compiler-grpc, python3-grpcio):

    protoc -I codec/proto --python_out=gen --grpc_out=gen \\
        --plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin codec/proto/cenc/v1/*.proto
    PYTHONPATH=gen docs/examples/consumer.py --token-file hes.token --out events.jsonl
"""

import argparse
import os
import queue
import sys
import time

import grpc
from google.protobuf import json_format

from cenc.v1 import northbound_pb2 as northbound
from cenc.v1 import northbound_pb2_grpc

# A dead connection is noticed after about a minute. Less than 5 s apart is too often for cencd.
CHANNEL_OPTIONS = [
    ("grpc.keepalive_time_ms", 30000),
    ("grpc.keepalive_timeout_ms", 20000),
    ("grpc.max_receive_message_length", 8 << 20),
]
PAUSES_S = [0.2, 1, 5, 15]


def arguments():
    parser = argparse.ArgumentParser(description="writes the events of a cencd into a file")
    parser.add_argument("--address", default="127.0.0.1:9192")
    parser.add_argument("--token-file", help="the consumer's token")
    parser.add_argument("--ca", help="CA of the server's certificate (PEM): TLS")
    parser.add_argument("--certificate", help="the consumer's own certificate (PEM)")
    parser.add_argument("--key", help="its key (PEM)")
    parser.add_argument("--out", required=True, help="file that gets a line for each event")
    parser.add_argument("--kind", action="append", default=[], help="only events of this kind")
    parser.add_argument("--project", action="append", default=[], help="only of this project")
    return parser.parse_args()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def connect(options):
    if not options.ca:
        return grpc.insecure_channel(options.address, CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        read(options.ca), read(options.key) if options.key else None,
        read(options.certificate) if options.certificate else None)
    return grpc.secure_channel(options.address, credentials, CHANNEL_OPTIONS)


def metadata(options):
    if not options.token_file:
        return ()
    return (("authorization", "Bearer " + read(options.token_file).decode().strip()),)


def take_events(stub, options, out):
    """Until the stream ends. Returns when the server closed it; otherwise raises grpc.RpcError."""
    requests = queue.SimpleQueue()
    requests.put(northbound.EventsRequest(subscribe=northbound.Subscribe(
        filter=northbound.EventFilter(kinds=options.kind, projects=options.project))))
    for response in stub.Events(iter(requests.get, None), metadata=metadata(options)):
        for event in response.events:
            out.write(json_format.MessageToJson(event, indent=None) + "\n")
        if response.events:
            # acknowledged means: it may be forgotten there, so it must be safe here
            out.flush()
            os.fsync(out.fileno())
        requests.put(northbound.EventsRequest(
            acknowledge=northbound.Acknowledge(sequence=response.through)))


def mend(path):
    """A line that a crash left half-written was not acknowledged: it comes again."""
    if os.path.exists(path):
        with open(path, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def main():
    options = arguments()
    mend(options.out)
    failures = 0
    with open(options.out, "a", encoding="utf-8") as out, connect(options) as channel:
        stub = northbound_pb2_grpc.NorthboundStub(channel)
        while True:
            began = time.monotonic()
            try:
                take_events(stub, options, out)
            except grpc.RpcError as error:
                print(f"{error.code().name}: {error.details()}", file=sys.stderr, flush=True)
                if error.code() in (grpc.StatusCode.UNAUTHENTICATED,
                                    grpc.StatusCode.PERMISSION_DENIED,
                                    grpc.StatusCode.INVALID_ARGUMENT,
                                    # list the devices anew, then START_OLDEST: see northbound.md
                                    grpc.StatusCode.OUT_OF_RANGE):
                    return 1
            # the longer nothing works, the longer the pauses
            failures = 0 if time.monotonic() - began > PAUSES_S[-1] else failures + 1
            time.sleep(PAUSES_S[min(failures, len(PAUSES_S)) - 1])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        pass
