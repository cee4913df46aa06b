"""What consumers take events from: cencd with its northbound, Redis, mosquitto. Each on loopback, in a
folder of its own; each drain says how many events came a second and what one cost."""

import array
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import time

from peers import PATIENCE_S, Failure, free_range
from storm_servers import (WAIT_S, CallCounter, Cencd, Redis, cpu_seconds, machine, quantile,
                           stop_process, wait_for)

__all__ = ["Door", "Group", "Mosquitto", "machine"]

PARTS = pathlib.Path(__file__).resolve().parent
TOKEN = "bench-bench-bench-bench-bench-bench-"
SUBSCRIBED = "cencd_consumer_connected"
IN_FLIGHT = 1000  # of QoS 1
# A subscriber that is away loses messages beyond so many, without a word (2.0.11 of Debian 12): they
# have numbers of 16 bits.
MOST_MESSAGES = 60000
MOSQUITTO = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages {inflight}
max_queued_messages 0
"""


class Door(Cencd):
    """cencd with `consumers` of the northbound; with a journal of `events` events, or with devices
    whose last gasps it will hear."""

    def __init__(self, tools, folder, name, *, events=0, devices=0, consumers=1):
        super().__init__(tools, folder, name, devices=devices)
        self.north = free_range(1)
        self.consumers = consumers
        if events:
            (self.state / "journal").mkdir()
            subprocess.run([tools["consumer"], "fill", self.state / "journal", str(events)],
                           check=True)

    @property
    def address(self):
        return f"127.0.0.1:{self.north}"

    @staticmethod
    def token(number):
        return f"{TOKEN}{number:04}"

    def config(self):
        consumers = [{"name": f"c{i}", "projects": "all", "token_sha256": hashlib.sha256(
            self.token(i).encode()).hexdigest()} for i in range(self.consumers)]
        return super().config() | {"northbound": {
            "enabled": True, "address": self.address, "max_connections": self.consumers + 8,
            "consumers": consumers}}

    def total(self, name):
        """Of all consumers."""
        return sum(value for key, value in self.metrics().items() if key.startswith(name + "{"))

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Failure("the size of cencd can't be read")

    # -- measured --

    def drain(self, events):
        """By the consumer in C."""
        return measured(self.process.pid, [self.tools["consumer"], "drain", self.address,
                                           self.token(0), str(events)], events)

    def drain_grpcio(self, events, generated):
        return measured(self.process.pid, [sys.executable, "-B", PARTS / "grpc_drain.py", generated,
                                           self.address, self.token(0), str(events)], events)

    def live(self, count, rate):
        """Last gasps at a rate, from their sending to the consumer's receive; and what of that was
        the commit, as the journal counts it."""
        sent, came = self.folder / "sent", self.folder / "came"
        consumer = subprocess.Popen([self.tools["consumer"], "live", self.address, self.token(0),
                                     str(count), came], stdout=subprocess.PIPE)
        try:
            consumer.stdout.readline()
            wait_for(lambda: self.total(SUBSCRIBED) == 1, "the consumer is there")
            before, cpu = self.metrics(), cpu_seconds(self.process.pid)
            subprocess.run([self.tools["storm_load"], "udp", str(self.port), "--count", str(count),
                            "--rate", str(rate), "--times", sent], check=True,
                           stdout=subprocess.DEVNULL)
            try:
                consumer.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                pass  # some were lost: it writes down what it has when the server goes
            after, cpu = self.metrics(), cpu_seconds(self.process.pid) - cpu
            self.stop()
            consumer.wait(PATIENCE_S)
        finally:
            stop_process(consumer)
            consumer.stdout.close()
        found = latencies(sent, came)
        lost = count - len(found)
        if lost:
            raise Failure(f"{lost} of {count} last gasps never came to the consumer")
        return {"rate": rate, "events": count, "cpu_us": cpu * 1e6 / count,
                "p50_ms": found[len(found) // 2], "p99_ms": found[len(found) * 99 // 100],
                "p999_ms": found[len(found) * 999 // 1000], "max_ms": found[-1],
                "commit_p50_ms": quantile(before, after, 0.5),
                "commit_p99_ms": quantile(before, after, 0.99)}

    def idle(self, seconds):
        """What it costs that all consumers are there and nothing happens."""
        alone = self.rest(seconds)
        size = self.resident_bytes()
        consumers = subprocess.Popen([self.tools["consumer"], "idle", self.address, TOKEN,
                                      str(self.consumers)], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
        try:
            consumers.stdout.readline()
            wait_for(lambda: self.total(SUBSCRIBED) == self.consumers, "all consumers are there")
            wait_for(self.settled, "the store is up to date")
            held = self.resident_bytes() - size
            together = self.rest(seconds)
            words = json.loads(consumers.communicate(b"", timeout=PATIENCE_S)[0])
        finally:
            stop_process(consumers)
        if words["left"]:
            raise Failure(f"{words['left']} consumers were sent away")
        return {"consumers": self.consumers, "seconds": seconds, "bytes_each": held / self.consumers,
                "cpu_alone": alone["cpu"], "cpu": together["cpu"], "calls_alone": alone["calls"],
                "calls": together["calls"]}

    def rest(self, seconds):
        """CPU (a share of one core) and system calls a second."""
        self.connection.close()  # one that is silent so long would be closed there
        self.connection = None
        counter = CallCounter(self.process.pid, True)
        begun, cpu = time.monotonic(), cpu_seconds(self.process.pid)
        time.sleep(seconds)
        cpu, took = cpu_seconds(self.process.pid) - cpu, time.monotonic() - begun
        calls = counter.end()
        return {"cpu": cpu / took, "calls": None if calls is None else calls / took}


def measured(pid, command, events, says_ready=True):
    """Runs a consumer that says what it took; the cost is that of process pid."""
    counter = CallCounter(pid, True)
    cpu = cpu_seconds(pid)
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=WAIT_S, check=True)
    cpu = cpu_seconds(pid) - cpu
    calls = counter.end()
    lines = done.stdout.decode().splitlines()
    words = json.loads(lines[1 if says_ready else 0])
    if words["events"] < events:
        raise Failure(f"{words['events']} of {events} events came")
    found = {"events": words["events"], "rate": words["events"] / words["seconds"],
             "cpu_us": cpu * 1e6 / words["events"], "client_us": words["cpu_us"] / words["events"]}
    if "bytes" in words:
        found["bytes"] = words["bytes"] / words["events"]
    if calls is not None:
        found["calls"] = calls / words["events"]
    return found


def latencies(sent, came):
    """In ms, sorted; of those that came."""
    times = [array.array("Q"), array.array("Q")]
    for path, each in zip((sent, came), times):
        each.frombytes(path.read_bytes())
    return sorted((end - begin) / 1e6 for begin, end in zip(*times) if end)


class Group(Redis):
    """A stream and a consumer group."""

    def __init__(self, tools, folder):
        super().__init__(folder, "everysec")
        self.tool = tools["redis_drain"]

    def drain(self, events, size, batch):
        subprocess.run([self.tool, "fill", str(self.port), str(events), str(size)], check=True)
        return measured(self.process.pid, [self.tool, "drain", str(self.port), str(events),
                                           str(batch)], events, says_ready=False)


class Mosquitto:
    """A broker that keeps what a subscriber has not acknowledged, in memory."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder, f"mosquitto-{time.monotonic_ns()}")
        self.folder.mkdir()
        self.port = free_range(1)
        self.process = None

    @staticmethod
    def is_there():
        return all(map(shutil.which, ("mosquitto", "mosquitto_pub", "mosquitto_sub")))

    def start(self):
        path = self.folder / "mosquitto.conf"
        path.write_text(MOSQUITTO.format(port=self.port, inflight=IN_FLIGHT))
        self.process = subprocess.Popen(["mosquitto", "-c", path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.knows_subscriber, "mosquitto is ready", step_s=0.05)

    def subscriber(self, *words):
        return ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-V", "311", "-c", "-i",
                "bench", "-q", "1", "-t", "events", *words]

    def knows_subscriber(self):
        """Its subscription outlasts its connection."""
        if self.process.poll() is not None:
            raise Failure("mosquitto doesn't start")
        return subprocess.run(self.subscriber("-E"), check=False, stderr=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL).returncode == 0

    def drain(self, events, size):
        events = min(events, MOST_MESSAGES)
        line = b"x" * size + b"\n"
        publisher = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-V",
                                    "311", "-q", "1", "-t", "events", "-l"], input=line * events,
                                   timeout=WAIT_S, check=False)
        if publisher.returncode:
            raise Failure("mosquitto_pub failed")
        counter = CallCounter(self.process.pid, True)
        cpu, begun = cpu_seconds(self.process.pid), time.monotonic()
        taken = subprocess.run(self.subscriber("-C", str(events), "-W", str(WAIT_S)), check=True,
                               stdout=subprocess.PIPE).stdout.count(b"\n")
        seconds, cpu = time.monotonic() - begun, cpu_seconds(self.process.pid) - cpu
        calls = counter.end()
        if taken != events:
            raise Failure(f"mosquitto gave {taken} of {events} messages")
        found = {"events": taken, "rate": taken / seconds, "cpu_us": cpu * 1e6 / taken}
        if calls is not None:
            found["calls"] = calls / taken
        return found

    def stop(self):
        if self.process:
            stop_process(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
