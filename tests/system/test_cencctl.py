"""cencctl reads journals: whole, torn, damaged, and such that it can't read; its exit codes."""

import json
import os
import pathlib
import subprocess
import unittest

import segments

PROGRAM = pathlib.Path(os.environ["CENCD_BUILD"]) / "cencctl"
CONNECTED, LAST_GASP, POWER_RESTORED = 24, 50, 51
SECRET = b"$scrypt$very secret hash"


def event(body, node=b"north"):
    return segments.field(2, node) + segments.field(3, 1700000000000) + segments.field(body, b"")


class Cencctl(unittest.TestCase):
    count = 0

    def setUp(self):
        Cencctl.count += 1
        self.folder = pathlib.Path(os.environ["TMPDIR"], f"journal-{os.getpid()}-{self.count}")
        self.folder.mkdir()

    def run_it(self, *arguments):
        done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                              timeout=40, check=False)
        return done.returncode, done.stdout, done.stderr

    def verify(self):
        return self.run_it("journal", "verify", self.folder)

    def dump(self, *arguments, code=0):
        got, out, words = self.run_it("journal", "dump", self.folder, *arguments)
        self.assertEqual(got, code, words)
        return [json.loads(line) for line in out.splitlines()]

    def write(self, first, *parts, attempt=0):
        path = self.folder / segments.name(first, attempt)
        path.write_bytes(segments.header(first) + b"".join(parts))
        return path

    def two_segments(self):
        """1 connected, 2 last gasp, 3 private | 4 power restored, 5 last gasp, sealed"""
        self.write(1, segments.record(1, 0, event(CONNECTED)),
                   segments.record(2, 1, event(LAST_GASP)),
                   segments.record(3, 1, SECRET, segments.PRIVATE))
        return self.write(4, segments.record(4, 3, event(POWER_RESTORED)),
                          segments.record(5, 4, event(LAST_GASP)), segments.seal(5))

    # -- verify --

    def test_a_whole_journal(self):
        self.two_segments()
        code, out, words = self.verify()
        self.assertEqual((code, words), (0, ""))
        lines = out.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], r"^0{19}1-0000\.seg: 1 to 3, 3 records, \d+ bytes$")
        self.assertRegex(lines[1], r"^0{19}4-0000\.seg: 4 to 5, 2 records, \d+ bytes, sealed$")
        self.assertEqual(lines[2], "whole: 1 to 5, 5 records in 2 segments")

    def test_no_journal(self):
        self.assertEqual(self.verify(), (0, "whole: no records\n", ""))
        (self.folder / "other.seg").write_bytes(b"not of the journal")
        self.assertEqual(self.verify()[0], 0)

    def test_a_torn_tail_is_no_damage(self):
        path = self.two_segments()
        path.write_bytes(path.read_bytes()[:-40])  # the seal and a bit of the last record
        before = path.read_bytes()
        code, out, words = self.verify()
        self.assertEqual((code, words), (0, ""))
        self.assertIn("4 to 4, 1 records", out)
        self.assertRegex(out, r"torn tail of \d+ bytes")
        self.assertEqual(path.read_bytes(), before)

    def test_damage_before_the_seal(self):
        path = self.two_segments()
        data = bytearray(path.read_bytes())
        data[segments.HEADER_SIZE + 40] ^= 1
        path.write_bytes(data)
        code, out, words = self.verify()
        self.assertEqual(code, 2)
        self.assertIn(f"{path} is damaged at offset {segments.HEADER_SIZE}:", words)
        self.assertIn(f"damaged at offset {segments.HEADER_SIZE}", out)
        self.assertIn("not whole", out)

    def test_records_missing_before_the_next_segment(self):
        self.two_segments()
        first = self.folder / segments.name(1)
        first.write_bytes(first.read_bytes()[:-8])
        code, _, words = self.verify()
        self.assertEqual(code, 2)
        self.assertIn(str(first), words)

    def test_of_attempts_the_last_counts(self):
        self.two_segments()
        self.write(4, segments.record(4, 3, event(CONNECTED)), attempt=0)
        self.write(4, segments.record(4, 3, event(LAST_GASP)), attempt=10000)
        self.assertEqual(self.verify()[0], 0)
        self.assertEqual([list(row)[-1] for row in self.dump("--from", 4)], ["last_gasp"])

    def a_batch(self):
        """Records 4 and 5 came together, 6 later."""
        self.two_segments().unlink()
        path = self.folder / segments.name(4)
        path.write_bytes(segments.header(4, batch=2) + segments.record(0, 0, event(CONNECTED)) +
                         segments.record(1, 0, event(LAST_GASP)) +
                         segments.record(6, 5, event(POWER_RESTORED)))
        return path

    def test_a_batch(self):
        self.a_batch()
        code, out, words = self.verify()
        self.assertEqual((code, words), (0, ""))
        self.assertIn("4 to 6, 3 records", out)
        self.assertIn(", a batch of 2", out)
        self.assertIn("whole: 1 to 6, 6 records", out)
        self.assertEqual([row["sequence"] for row in self.dump("--from", 4)], ["4", "5", "6"])

    def test_a_batch_without_its_end_is_damage(self):
        path = self.a_batch()
        path.write_bytes(path.read_bytes()[:segments.HEADER_SIZE + 60])
        code, out, words = self.verify()
        self.assertEqual(code, 2)
        self.assertIn(f"{path} is damaged at offset", words)

    # -- dump --

    def test_records_as_json(self):
        self.two_segments()
        rows = self.dump()
        self.assertEqual([row["sequence"] for row in rows], ["1", "2", "3", "4", "5"])
        self.assertIn("connected", rows[0])
        self.assertEqual(rows[1]["node"], "north")
        self.assertEqual(rows[2], {"sequence": "3", "private": True})

    def test_nothing_of_a_private_record(self):
        self.two_segments()
        _, out, words = self.run_it("journal", "dump", self.folder)
        self.assertNotIn("secret", out + words)
        self.assertNotIn(SECRET.hex(), out + words)

    def test_a_part(self):
        self.two_segments()
        self.assertEqual([row["sequence"] for row in self.dump("--from", 3, "--to", 4)], ["3", "4"])
        self.assertEqual([row["sequence"] for row in self.dump("--kind", "last_gasp")], ["2", "5"])
        self.assertEqual(
            [row["sequence"] for row in self.dump("--to", 4, "--kind", "last_gasp")], ["2"])
        self.assertEqual(self.dump("--from", 6), [])

    def test_what_is_no_event_is_told(self):
        self.write(1, segments.record(1, 0, b"\xff\xff\xff"), segments.record(2, 0, b"x", 77))
        self.assertEqual(self.dump(), [{"sequence": "1", "unreadable": True},
                                       {"sequence": "2", "unreadable": True}])

    def test_damage_doesnt_hide_what_is_good(self):
        self.two_segments()
        first = self.folder / segments.name(1)
        data = bytearray(first.read_bytes())
        data[-9] ^= 1
        first.write_bytes(data)
        rows = self.dump(code=2)
        self.assertEqual([row["sequence"] for row in rows], ["1", "2", "4", "5"])

    # -- words --

    def test_usage(self):
        for words in ([], ["nonsense"], ["journal"], ["journal", "verify"],
                      ["journal", "nonsense", self.folder],
                      ["journal", "verify", self.folder, "more"],
                      ["journal", "dump", self.folder, "--from"],
                      ["journal", "dump", self.folder, "--from", "-1"],
                      ["journal", "dump", self.folder, "--to", "7x"],
                      ["journal", "dump", self.folder, "--kind", "nonsense"],
                      ["journal", "dump", self.folder, "--kind", "node"],
                      ["journal", "dump", self.folder, "--sideways", "1"]):
            code, out, error = self.run_it(*words)
            self.assertEqual((code, out), (64, ""), words)
            self.assertIn("see cencctl --help", error)
        self.assertEqual(self.run_it("--help")[0], 0)
        self.assertEqual(self.run_it("--version")[0], 0)

    def test_what_cant_be_read(self):
        for command in "verify", "dump":
            code, _, words = self.run_it("journal", command, self.folder / "nowhere")
            self.assertEqual(code, 74)
            self.assertIn("can't read", words)
        self.two_segments()
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "journal", "dump", self.folder], stdout=full,
                                  stderr=subprocess.PIPE, timeout=40, check=False)
        self.assertEqual(done.returncode, 74, done.stderr)


if __name__ == "__main__":
    unittest.main()
