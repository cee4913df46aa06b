"""Nothing is lost: docs/examples/consumer.py writes down what it is sent while server and consumer
are killed in turns. Its file has every event of the journal, in order; repeats only where a kill came
between its disk and the acknowledgement."""

import os
import pathlib
import random
import subprocess
import sys

import northbound
from cencd import SANITIZED, LIMIT_S, wait_until
from northbound import TOKEN, NorthboundTest, lines, recorded

ROUNDS = 3 if SANITIZED else 6
EXAMPLES = pathlib.Path(os.environ["CENCD_SOURCE"]) / "docs" / "examples"


class Consumer:
    """The example, as a process of its own."""

    def __init__(self, server, folder, *arguments):
        generated, _, _ = northbound.generated()
        token = folder / "token"
        token.write_text(TOKEN + "\n")
        self.out = folder / "events.jsonl"
        self.arguments = [sys.executable, "-B", EXAMPLES / "consumer.py", "--address",
                          server.north, "--token-file", token, "--out", self.out, *arguments]
        self.environment = {**os.environ, "PYTHONPATH": str(generated)}
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.arguments, env=self.environment,
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait(LIMIT_S)

    def sequences(self):
        """Half a line at the end is what a kill leaves."""
        if not self.out.exists():
            return []
        return [int(event["sequence"]) for event in lines(self.out)]


class KillTest(NorthboundTest):
    def test_killed_in_turns(self):
        server = self.server()
        folder = pathlib.Path(os.environ["TMPDIR"])
        consumer = self.keep(Consumer(server, folder))
        consumer.start()
        kills = []
        for turn in range(ROUNDS):
            count = random.randrange(1, 8)
            for number in range(count):
                self.modem(server, 100 * turn + number)
            if random.random() < 0.7:
                wait_until(lambda: len(set(consumer.sequences())) >= len(recorded(server)) - 3,
                           "the consumer has most of it")
            kills.append(len(consumer.sequences()))
            if turn % 2 == 0:
                server.kill()
                server.start()
            else:
                consumer.close()
                consumer.start()
        self.modem(server, 9999)
        last = recorded(server)[-1]
        wait_until(lambda: consumer.sequences() and consumer.sequences()[-1] >= last,
                   "the consumer has all", lambda: f"{consumer.sequences()} {last}")
        sequences = consumer.sequences()
        self.check(sequences, [each for each in recorded(server) if each <= max(sequences)])
        server.wait(lambda: server.metric("cencd_consumer_lag") == 0, "all is acknowledged")

    def check(self, sequences, expected):
        place = {sequence: at for at, sequence in enumerate(expected)}
        self.assertEqual(sorted(set(sequences)), expected)
        repeats = 0
        for former, latter in zip(sequences, sequences[1:]):
            # the next one; or back to something that came before, after a kill
            self.assertLessEqual(place[latter], place[former] + 1)
            repeats += latter <= former
        self.assertLessEqual(repeats, ROUNDS)
