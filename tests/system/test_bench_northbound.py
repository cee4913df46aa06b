"""bench/northbound works, in small: every consumer takes every event, live ones come, idle ones stay.
How fast it was doesn't matter here."""

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
EVENTS, FEW, LIVE, IDLE = 5000, 1000, 200, 20


class Northbound(unittest.TestCase):
    def run_bench(self, *arguments):
        done = subprocess.run([sys.executable, "-B", str(SOURCE / "bench/northbound"), "--build",
                               str(BUILD), "--rounds", "1", *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
        return done.returncode, done.stdout.decode()

    def test_every_event_comes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "out.json")
            code, words = self.run_bench(
                "--events", str(EVENTS), "--few", str(FEW), "--live", str(LIVE), "--rate", "500",
                "--idle", str(IDLE), "--idle-seconds", "0.1", "--folder", folder, "--json",
                str(path), "--only", "c,grpcio,redis,live,idle")
            self.assertEqual(code, 0, words)
            run = json.loads(path.read_text())
            self.assertEqual(os.listdir(folder), ["out.json"])
        cells = run["rounds"][0]
        self.assertGreaterEqual(cells["C"]["events"], EVENTS)
        self.assertGreaterEqual(cells["grpcio"]["events"], FEW)
        self.assertEqual(cells["xreadgroup"]["events"], FEW)
        self.assertEqual(cells["live, disk"]["events"], LIVE)
        self.assertEqual(run["idle"]["consumers"], IDLE)

    def test_a_missing_build_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            code, words = self.run_bench("--build", folder)
        self.assertEqual(code, 1)
        self.assertIn("build first", words)


if __name__ == "__main__":
    unittest.main()
