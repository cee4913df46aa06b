"""bench/relay works: the load generator gets every byte back through cencd and through the bare
relay, in every kind of load, and nothing is left behind. How fast it was doesn't matter here."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["CENCD_SOURCE"])
BUILD = pathlib.Path(os.environ["CENCD_BUILD"])
LIMIT_S = 150
CELLS = "64 B with 1 session,512 B with 64 sessions,bulk,churn"


def processes_of(build):
    """Process ids of this test's programs that run from the build: they have its environment."""
    found = []
    mine = b"TMPDIR=" + os.fsencode(os.environ["TMPDIR"]) + b"\0"
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if (entry.name.isdigit() and os.readlink(entry / "exe").startswith(str(build))
                    and mine in (entry / "environ").read_bytes()):
                found.append(entry.name)
        except OSError:
            pass
    return found


@unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two cores")
class Relay(unittest.TestCase):
    def run_relay(self, *arguments):
        before = processes_of(BUILD)
        done = subprocess.run([sys.executable, "-B", str(SOURCE / "bench/relay"), "--build",
                               str(BUILD), "--rounds", "1", "--no-counts", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S,
                              check=False)
        self.assertEqual(sorted(processes_of(BUILD)), sorted(before))
        return done.returncode, done.stdout.decode()

    def test_every_kind_of_load_comes_through(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "out.json")
            code, words = self.run_relay("--peers", "cencd,limit", "--seconds", "0.2", "--only",
                                         CELLS, "--json", str(path))
            self.assertEqual(code, 0, words)
            run = json.loads(path.read_text())
        self.assertEqual(len(run["measured"]), 6)
        for cell, rounds in run["measured"].items():
            self.assertEqual(sorted(rounds[0]), ["cencd", "limit"], cell)
            for peer, numbers in rounds[0].items():
                self.assertGreater(numbers["rate"], 0, f"{cell}, {peer}")
                self.assertEqual(numbers["errors"], 0, f"{cell}, {peer}")

    def test_an_unknown_relay_is_named(self):
        code, words = self.run_relay("--peers", "nothing")
        self.assertEqual(code, 2)
        self.assertIn("no such relay: nothing", words)

    def test_a_relay_that_does_not_start_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            code, words = self.run_relay("--build", folder)
        self.assertEqual(code, 1)
        self.assertIn("build first", words)


if __name__ == "__main__":
    unittest.main()
