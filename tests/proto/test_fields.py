"""The check of the field numbers finds what it promises to find."""

import pathlib
import tempfile
import unittest

import fields
import protoc

BEFORE = """
message Event { uint64 sequence = 1; oneof body { Gasp gasp = 20; } repeated string notes = 3; }
message Gasp { bytes raw = 1; Way way = 2; }
enum Way { WAY_UNSPECIFIED = 0; WAY_TCP = 1; }
"""


def schema(text):
    with tempfile.TemporaryDirectory() as folder:
        head = 'syntax = "proto3"; package p;'
        pathlib.Path(folder, "a.proto").write_text(head + text, encoding="utf-8")
        return fields.Schema(protoc.descriptor_set(pathlib.Path(folder)).file)


class Fields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.listed = list(schema(BEFORE).lines.values())

    def errors(self, before, after):
        self.assertIn(before, BEFORE)
        return fields.check(self.listed, schema(BEFORE.replace(before, after)))

    def assert_one(self, before, after, part):
        errors = self.errors(before, after)
        self.assertEqual(len(errors), 1, errors)
        self.assertIn(part, errors[0])

    def test_lines(self):
        self.assertEqual(fields.check(self.listed, schema(BEFORE)), [])
        self.assertIn("p.Event 20 gasp p.Gasp oneof:body", self.listed)
        self.assertIn("p.Event 3 notes string repeated", self.listed)
        self.assertIn("p.Way 1 WAY_TCP", self.listed)

    def test_another_meaning(self):
        self.assert_one("bytes raw = 1", "string raw = 1", "something else")
        self.assert_one("bytes raw = 1", "bytes data = 1", "something else")
        self.assert_one("repeated string notes", "string notes", "something else")
        self.assert_one("oneof body { Gasp gasp = 20; }", "Gasp gasp = 20;", "something else")
        self.assert_one("WAY_TCP = 1", "WAY_UDP = 1", "something else")
        self.assertEqual(len(self.errors("sequence = 1", "sequence = 2")), 2)

    def test_gone(self):
        self.assert_one("bytes raw = 1;", "", "is gone")
        self.assert_one("bytes raw = 1;", "reserved 1;", "is gone")
        self.assert_one("bytes raw = 1;", 'reserved "raw";', "is gone")
        self.assert_one("WAY_TCP = 1;", "", "is gone")
        self.assertEqual(self.errors("bytes raw = 1;", 'reserved 1; reserved "raw";'), [])
        self.assertEqual(self.errors("WAY_TCP = 1;", 'reserved 1; reserved "WAY_TCP";'), [])

    def test_new(self):
        self.assert_one("bytes raw = 1;", "bytes raw = 1; bool test = 3;", "is new")
        self.assert_one("WAY_TCP = 1;", "WAY_TCP = 1; WAY_UDP = 2;", "is new")


if __name__ == "__main__":
    unittest.main()
