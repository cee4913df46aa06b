"""bench/storm works, in small: whatever the sockets took is committed, whatever they lost is counted,
and the journal holds as many, for known and for unknown devices, over UDP and TCP, also with a slow
disk. How fast it was doesn't matter here."""

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
COUNT, TCP_COUNT = 3000, 200


class Storm(unittest.TestCase):
    def run_storm(self, *arguments):
        done = subprocess.run([sys.executable, "-B", str(SOURCE / "bench/storm"), "--build",
                               str(BUILD), "--rounds", "1", *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
        return done.returncode, done.stdout.decode()

    def test_every_gasp_is_counted(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "out.json")
            code, words = self.run_storm(
                "--count", str(COUNT), "--tcp-count", str(TCP_COUNT), "--delays", "5", "--folder",
                folder, "--only", "udp,half,answers,unknown,tcp,limit", "--json", str(path))
            self.assertEqual(code, 0, words)
            run = json.loads(path.read_text())
            self.assertEqual(os.listdir(folder), ["out.json"])
        cells = run["rounds"][0]
        committed = 0
        for name in ("udp", "udp half", "udp half, answered", "udp, unknown", "tcp",
                     "udp, sync + 5 ms", "udp half, sync + 5 ms"):
            cell = cells[name]
            sent = TCP_COUNT if name == "tcp" else COUNT
            self.assertEqual(cell["received"] + cell["overruns"] + cell["dropped"], sent, name)
            self.assertEqual(cell["committed"], cell["received"], name)
            self.assertGreater(cell["committed"], 0, name)
            committed += cell["committed"]
        committed += cells["udp half, answered, sync + 5 ms"]["committed"]
        self.assertEqual(run["journal"], committed)
        self.assertEqual(cells["tcp"]["received"], TCP_COUNT)
        answered = cells["udp half, answered"]
        self.assertEqual(answered["answered"] + answered["unheard"], answered["committed"])
        for name in ("limit", "limit half", "limit, sync + 5 ms"):
            self.assertGreater(cells[name]["rate"], 0, name)

    def test_a_missing_build_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            code, words = self.run_storm("--build", folder)
        self.assertEqual(code, 1)
        self.assertIn("build first", words)


if __name__ == "__main__":
    unittest.main()
