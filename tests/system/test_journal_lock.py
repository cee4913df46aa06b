"""Two servers can't use one state folder: the second one says so and ends, the first goes on; readers
of the journal don't care; a server that was killed leaves no lock behind. Nor does one start with
half of a state."""

import os
import pathlib
import subprocess
import unittest

import cencd
from accounts import Served as _Served

CENCCTL = cencd.PROGRAM.with_name("cencctl")
EXIT_STATE = 74


class Lock(cencd.SystemTest):
    def setUp(self):
        self.folder = pathlib.Path(os.environ["TMPDIR"], self._testMethodName)

    def server(self, **keywords):
        return self.cencd({"server": {"state_dir": str(self.folder)}}, **keywords)

    def test_a_second_server_is_refused(self):
        first = self.server()
        second = self.server(start=False)
        code, _, words = cencd.run("--config", str(second.config_path))
        self.assertEqual(code, EXIT_STATE, words)
        self.assertIn(f"cencd: server.state_dir {self.folder} is in use by another cencd "
                      f"(process {first.process.pid})\n", words)
        cencd.Modem(first, 1).close()  # recorded before it is shown
        done = subprocess.run([CENCCTL, "journal", "verify", self.folder / "journal"],
                              capture_output=True, text=True, timeout=cencd.LIMIT_S, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("whole", done.stdout)
        first.stop()
        second.start()
        self.assertIsNotNone(second.device(cencd.imei_of(1)))

    def test_a_killed_server_leaves_no_lock(self):
        first = self.server()
        first.kill()
        self.server()

    def test_a_store_without_its_journal_is_told_whole(self):
        """The remedy, at the end, was cut off."""
        first = self.server()
        cencd.Modem(first, 1).close()
        path = self.folder / "directory.sqlite"
        first.wait(lambda: _Served.stored(path) == 1, "the store has the device")
        first.stop()
        for segment in (self.folder / "journal").iterdir():
            segment.unlink()
        code, _, words = cencd.run("--config", str(first.config_path))
        self.assertEqual(code, EXIT_STATE, words)
        self.assertIn("or move the store away to have it made anew from the journal\n", words)

    def test_a_lock_that_cannot_be_made_is_told(self):
        (self.folder / "lock").mkdir(parents=True)
        code, _, words = cencd.run("--config", str(self.server(start=False).config_path))
        self.assertEqual(code, EXIT_STATE, words)
        self.assertIn(f"{self.folder}/lock can't be locked: Is a directory", words)


if __name__ == "__main__":
    unittest.main()
