#!/usr/bin/python3
"""Takes events with Google's gRPC for Python, which unpacks each one: GENERATED ADDRESS TOKEN EVENTS.
Says "ready", then a line of JSON."""

import json
import queue
import resource
import sys
import time

import grpc

WINDOW = 65536


def main():
    generated, address, token, events = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    sys.path.insert(0, generated)
    from cenc.v1 import northbound_pb2 as pb
    from cenc.v1 import northbound_pb2_grpc as pb_grpc
    requests = queue.SimpleQueue()
    requests.put(pb.EventsRequest(subscribe=pb.Subscribe(
        start=pb.START_OLDEST, max_unacknowledged_events=WINDOW)))
    print("ready", flush=True)
    taken, begun = 0, time.monotonic()
    with grpc.insecure_channel(address) as channel:
        call = pb_grpc.NorthboundStub(channel).Events(
            iter(requests.get, None), metadata=(("authorization", f"Bearer {token}"),))
        for response in call:
            taken += len(response.events)
            requests.put(pb.EventsRequest(
                acknowledge=pb.Acknowledge(sequence=response.through)))
            if taken >= events:
                break
        seconds = time.monotonic() - begun
        call.cancel()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"events": taken, "seconds": seconds,
                      "cpu_us": (usage.ru_utime + usage.ru_stime) * 1e6}))


if __name__ == "__main__":
    main()
