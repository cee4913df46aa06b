"""The configuration file: every mistake is named with its line and column, and nothing starts."""

import os
import pathlib
import unittest

from cencd import SystemTest, run

SOURCE = pathlib.Path(os.environ["CENCD_SOURCE"])
LISTENERS = """listeners:
  - name: irz
    address: 127.0.0.1:5009
    plugins: [irz]
"""


class CheckConfig(SystemTest):
    def check(self, text):
        """(exit code, stdout, complaints without the file's name)"""
        path = pathlib.Path(os.environ["TMPDIR"]) / "checked.yaml"
        path.write_text(text)
        code, out, errors = run("--check-config", "--config", str(path))
        for line in errors.splitlines():
            self.assertTrue(line.startswith(f"{path}:"), line)
        return code, out, [line[len(str(path)) + 1:] for line in errors.splitlines()]

    def assert_wrong(self, text, *expected):
        """Each complaint begins with the next LINE:COLUMN and holds the words."""
        code, out, complaints = self.check(text)
        self.assertEqual(code, 78)
        self.assertEqual(out, "")
        self.assertEqual(len(complaints), len(expected), complaints)
        for complaint, (place, *words) in zip(complaints, expected):
            self.assertTrue(complaint.startswith(place + ": "), (complaint, place))
            for word in words:
                self.assertIn(word, complaint)

    def test_good(self):
        code, out, complaints = self.check(LISTENERS)
        self.assertEqual((code, complaints), (0, []))
        self.assertIn("no errors", out)

    def test_shipped_file_is_good(self):
        code, _, errors = run("--check-config", "--config", str(SOURCE / "config" / "cencd.yaml"))
        self.assertEqual((code, errors), (0, ""))

    def test_unknown_key(self):
        self.assert_wrong("server:\n  shard: 2\n" + LISTENERS, ("2:3", "shard", "shards"))

    def test_key_twice(self):
        self.assert_wrong("log:\n  level: info\n  level: warn\n" + LISTENERS, ("3:3", "level"))

    def test_wrong_type(self):
        self.assert_wrong("limits:\n  links: many\n" + LISTENERS, ("2:10", "links", "integer"))

    def test_out_of_range(self):
        self.assert_wrong("limits:\n  sessions: 0\n" + LISTENERS, ("2:13", "sessions", "1000000"))

    def test_wrong_word(self):
        self.assert_wrong("log:\n  level: loud\n" + LISTENERS, ("2:10", "level", "error, warn"))

    def test_plugins_own_keys(self):
        self.assert_wrong(LISTENERS.replace("[irz]", "[{irz: {greeting: sometimes}}]"),
                          ("4:32", "greeting", "always"))
        self.assert_wrong(LISTENERS.replace("[irz]", "[nobody]"), ("4:15", "nobody"))

    def test_ops_stays_on_loopback(self):
        self.assert_wrong("ops:\n  address: 0.0.0.0:9190\n" + LISTENERS,
                          ("2:12", "address", "loopback"))

    def test_direct_ports_keep_off_other_ports(self):
        self.assert_wrong("direct_ports:\n  range: 5000-5100\n" + LISTENERS,
                          ("5:14", "5000-5100"))
        self.assert_wrong("direct_ports:\n  range: 30000-40000\n" + LISTENERS,
                          ("2:10", "ip_local_port_range"))

    def test_all_mistakes_are_told_in_their_order(self):
        self.assert_wrong("limits:\n  links: -1\n  devises: 5\nlog: loud\n" + LISTENERS,
                          ("2:10",), ("3:3", "devices"), ("4:6", "log"))

    def test_no_listener(self):
        code, _, complaints = self.check("server:\n  node: a\n")
        self.assertEqual(code, 78)
        self.assertIn("listeners", complaints[0])

    def test_no_yaml(self):
        for text in ("listeners: [\n", "a: b: c\n", "\tlisteners:\n", "", "- 1\n", "{{{{",
                     "listeners: &a [*a]\n", "\0\1\2", "limits: {links: 1"):
            with self.subTest(text=text):
                code, _, complaints = self.check(text)
                self.assertEqual(code, 78)
                self.assertRegex(complaints[0], r"^\d+:\d+: ")

    def test_no_file(self):
        code, _, errors = run("--config", "/nonexistent/cencd.yaml")
        self.assertEqual(code, 78)
        self.assertEqual(len(errors.splitlines()), 1)
        self.assertIn("/nonexistent/cencd.yaml", errors)
        self.assertIn("No such file", errors)

    def test_a_server_with_a_wrong_file_does_not_start(self):
        path = pathlib.Path(os.environ["TMPDIR"]) / "wrong.yaml"
        path.write_text("limits:\n  links: 0\n" + LISTENERS)
        code, _, errors = run("--config", str(path))
        self.assertEqual(code, 78)
        self.assertIn(f"{path}:2:10: ", errors)


class CommandLine(SystemTest):
    def test_unknown_option(self):
        for arguments in (["--frobnicate"], ["-x"], ["--config"], ["surplus"]):
            with self.subTest(arguments=arguments):
                code, out, errors = run(*arguments)
                self.assertEqual((code, out), (64, ""))
                self.assertIn("usage: cencd", errors)

    def test_help(self):
        code, out, errors = run("--help")
        self.assertEqual((code, errors), (0, ""))
        for option in ("--config", "--check-config", "--help-config", "--version"):
            self.assertIn(option, out)

    def test_version(self):
        code, out, errors = run("--version")
        self.assertEqual((code, errors), (0, ""))
        self.assertRegex(out, r"^cencd \d+\.\d+\.\d+\n$")

    def test_help_config_explains_every_key_of_the_shipped_file(self):
        code, out, errors = run("--help-config")
        self.assertEqual((code, errors), (0, ""))
        shipped = (SOURCE / "config" / "cencd.yaml").read_text()
        keys = {line.split(":")[0].strip(" -") for line in shipped.splitlines()
                if ":" in line and not line.strip().startswith("#")}
        self.assertGreater(len(keys), 40)
        for key in keys:
            self.assertIn(key, out)


if __name__ == "__main__":
    unittest.main()
