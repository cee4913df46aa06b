"""The demo: sees everything, ends in order, names what is missing, leaves nothing."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["CENCD_BUILD"])
DEMO = pathlib.Path(os.environ["CENCD_SOURCE"]) / "bench" / "demo.py"
LIMIT_S = 120


def processes_with(text):
    """Ids of processes whose command line has this text."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in path.read_text(errors="replace"):
                found.append(path.parent.name)
        except OSError:
            pass
    return found


class DemoTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def start(self, *options, build=BUILD, **changes):
        environment = dict(os.environ, CENCD_BUILD=str(build), TMPDIR=str(self.folder), **changes)
        demo = subprocess.Popen(["/usr/bin/python3", "-B", DEMO, "--devices", "12", "--ports",
                                 os.environ.get("CENCD_PORTS", "10000-32000"), *options],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment)
        self.addCleanup(demo.kill)
        return demo

    def finish(self, demo):
        out, errors = demo.communicate(timeout=LIMIT_S)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assertEqual(processes_with(str(self.folder)), [])
        return out, errors

    def build_with(self, name, script):
        """A build folder with the real programs but one."""
        build = self.folder.parent / (self.folder.name + "-build")
        (build / "bench").mkdir(parents=True)
        self.addCleanup(subprocess.run, ["rm", "-r", build], check=True)
        for program in ("cencd", "bench/fleet", "bench/reader"):
            (build / program).symlink_to(BUILD / program)
        (build / name).unlink()
        (build / name).write_text("#!/bin/sh\n" + script)
        (build / name).chmod(0o755)
        return build

    def test_once(self):
        demo = self.start("--once")
        out, errors = self.finish(demo)
        self.assertEqual((demo.returncode, errors), (0, ""), out)
        self.assertIn("12 devices registered", out)
        self.assertRegex(out, r"86844103000000\d +ATM\d1 +\d+ +\d+  idle")
        self.assertEqual(len(re.findall(r"active energy import total \d+\.\d+ kWh", out)), 2)
        self.assertIn("encapsulated", out)
        self.assertRegex(out, r"curl http://127.0.0.1:\d+/metrics")
        gasps = r"redis-cli -p \d+ ZCARD cencd:gasps\n +4\n(.|\n)*irz:868441030000004\n +\d{13}\n"
        over = r"redis-cli -p \d+ ZCARD cencd:gasps\n +0\n(.|\n)*last_gasp state\n(.|\n)*\n +idle\n"
        self.assertRegex(out, gasps + r"(.|\n)*" + over)
        self.assertNotIn("Zq7fleet", out)  # the modems' password

    def test_stays_until_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number.name):
                demo = self.start()
                out = ""
                while "Ctrl-C" not in out:
                    line = demo.stdout.readline()
                    self.assertNotEqual(line, "", out)
                    out += line
                log = pathlib.Path(re.search(r"log: +(/.*)", out)[1])
                self.assertNotIn("Zq7fleet", log.read_text())
                demo.send_signal(number)
                self.finish(demo)
                self.assertEqual(demo.returncode, 0)

    def test_stopped_early(self):
        demo = self.start("--once")
        demo.stdout.readline()
        demo.send_signal(signal.SIGTERM)
        _, errors = self.finish(demo)
        self.assertEqual(demo.returncode, 1)
        self.assertIn("missing step", errors)

    def test_no_gasp(self):
        """A fleet whose modems don't lose their power."""
        build = self.build_with("bench/fleet", f'exec "{BUILD}/bench/fleet" "$@" --neighbourhood 0')
        demo = self.start("--once", "--limit-s", "25", build=build)
        out, errors = self.finish(demo)
        self.assertEqual(demo.returncode, 1)
        self.assertIn("demo: missing step: 4 last gasps are in Redis", errors)
        self.assertIn("power fails", out)
        self.assertNotIn("power is back", out)

    def test_no_redis(self):
        demo = self.start("--once", PATH="/nowhere")
        _, errors = self.finish(demo)
        self.assertEqual(demo.returncode, 1)
        self.assertIn("demo: missing step: redis-server: ", errors)

    def test_names_what_is_missing(self):
        for name, script, step in (
                ("bench/reader", "echo reader: no answer >&2; exit 1", "dlms meter was read"),
                ("bench/fleet", "exit 3", "all devices registered: the fleet ended with 3"),
                ("cencd", "echo out of luck; exit 71", "the server is ready: cencd ended")):
            with self.subTest(program=name):
                build = self.build_with(name, script)
                demo = self.start("--once", build=build)
                _, errors = self.finish(demo)
                self.assertEqual(demo.returncode, 1)
                self.assertIn("demo: missing step: ", errors)
                self.assertIn(step, errors)
                self.doCleanups()
                self.setUp()


if __name__ == "__main__":
    unittest.main()
