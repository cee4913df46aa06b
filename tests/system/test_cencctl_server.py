"""cencctl against a running server: what it lists and changes, passwords, conflicts, exit codes,
tables that fit, --watch, and who reached what."""

import contextlib
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from cencd import (Cencd, LIMIT_S, Modem, PROGRAM, connect, connect_patiently, imei_of, is_closed,
                   wait_until)

CENCCTL = PROGRAM.parent / "cencctl"
ONE, TWO = imei_of(1), imei_of(2)


class Served(unittest.TestCase):
    def setUp(self):
        # the path of a Unix socket has at most 107 bytes
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="cencd-c-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)
        self.environment = {**os.environ, "CENCD_SOCKET": str(self.state / "admin.sock")}
        self.environment.pop("COLUMNS", None)
        self.server = Cencd({"server": {"state_dir": str(self.state)}})
        self.addCleanup(self.kill)

    def kill(self):
        self.server.process.kill()
        self.server.process.wait()

    def run_it(self, *words, stdin=None, **environment):
        done = subprocess.run([CENCCTL, *map(str, words)], capture_output=True, text=True,
                              timeout=LIMIT_S, check=False, input=stdin,
                              env={**self.environment, **environment})
        return done.returncode, done.stdout, done.stderr

    def ctl(self, *words, code=0, **more):
        """What it says."""
        got, out, error = self.run_it(*words, **more)
        self.assertEqual(got, code, f"{words}: {out}{error}")
        return out if code == 0 else error

    def list(self, noun, *words):
        return json.loads(self.ctl(noun, "list", *words, "--json"))

    def show(self, *words):
        return json.loads(self.ctl(words[0], "show", *words[1:], "--json"))

    def modem(self, number):
        modem = Modem(self.server, number)
        self.addCleanup(modem.close)
        return modem

    # -- what there is --

    def test_devices_links_and_who_was_not_identified(self):
        self.modem(1)
        self.modem(2).close()
        self.server.wait_device(ONE)
        self.server.wait_device(TWO, "offline")
        self.ctl("project", "add", "north")
        self.ctl("device", "move", TWO, "--project", "north")
        [device] = self.list("device", "--project", "north", "--offline")
        self.assertEqual((device["serial"], device["project"]), (TWO, "north"))
        self.assertEqual([link["serial"] for link in self.list("link")], [ONE])
        self.assertEqual(self.show("device", TWO)["state"], "offline")
        with connect(self.server.port) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertTrue(is_closed(stranger))
        [failed] = wait_until(lambda: self.list("failed"), "the stranger is listed")
        self.assertEqual((failed["listener"], failed["reason"]), ("irz", "greeting/unknown"))
        self.assertEqual(len(self.list("failed", "--listener", "irz")), 1)
        self.assertEqual(self.list("failed", "--listener", "other"), [])
        self.assertEqual([row["name"] for row in self.list("listener")], ["irz"])
        self.assertEqual(self.list("consumer"), [])

    def test_more_devices_than_a_page(self):
        with socket.socket(socket.AF_UNIX) as api:  # quicker than 1,100 processes
            api.settimeout(LIMIT_S)
            api.connect(self.environment["CENCD_SOCKET"])
            answers = api.makefile("rb")
            for number in range(1100):
                body = json.dumps({"serial": f"{number:05d}"}).encode()
                api.sendall(b"POST /v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
                            % (len(body), body))
                self.assertIn(b" 201 ", answers.readline())
                size = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        size = int(line.split(b":")[1])
                answers.read(size)
        self.assertEqual(len({device["serial"] for device in self.list("device")}), 1100)
        self.assertEqual(len(self.list("device", "--limit", 1050)), 1050)
        table = self.ctl("device", "list").splitlines()
        self.assertEqual(len(table), 1101)
        self.assertTrue(table[0].startswith("SERIAL"))

    def test_a_table_fits(self):
        self.modem(1)
        self.server.wait_device(ONE)
        for columns in 30, 80, 100:
            lines = self.ctl("device", "list", COLUMNS=str(columns)).splitlines()
            self.assertLessEqual(max(map(len, lines)), columns)
            self.assertTrue(lines[1].startswith(ONE))  # what people copy is whole
        self.assertIn(f"serial          {ONE}", self.ctl("device", "show", ONE))

    def test_a_device_is_found_in_the_only_scope_that_has_it(self):
        self.ctl("device", "add", "1", "--scope", "depot")
        self.ctl("device", "add", "12", "--scope", "depot")
        self.assertEqual(self.show("device", "1")["scope"], "depot")
        self.ctl("device", "add", "1", "--scope", "yard")
        self.assertIn("--scope", self.ctl("device", "show", "1", code=64))
        self.assertEqual(self.show("device", "1", "--scope", "yard")["scope"], "yard")
        self.ctl("device", "add", "1")
        self.assertEqual(self.show("device", "1")["scope"], "default")
        self.ctl("device", "show", "2", code=66)
        self.ctl("device", "remove", "12")
        self.assertEqual(len(self.list("device")), 3)

    # -- changes --

    def test_accounts_are_made_changed_and_removed(self):
        self.ctl("project", "add", "north", "--note", "first")
        self.ctl("group", "add", "north", "feeder 7")
        self.ctl("agent", "add", "hes", "--group", "north/feeder 7", "--source", "10.0.0.0/8",
                 "--expires", "2037-01-31T12:00:00Z", "--max-sessions", 5, "--no-password",
                 "--priority", "collection")
        agent = self.show("agent", "hes")
        self.assertEqual((agent["groups"], agent["sources"], agent["max_sessions"],
                          agent["has_password"], agent["extended"], agent["priority"]),
                         ([{"project": "north", "name": "feeder 7"}], ["10.0.0.0/8"], 5, False,
                          False, "collection"))
        self.ctl("agent", "set", "hes", "--priority", "first", code=65)
        self.ctl("agent", "set", "hes", "--note", "it stays")
        self.assertEqual(self.show("agent", "hes")["priority"], "collection")
        self.ctl("agent", "set", "hes", "--no-priority")
        self.assertIsNone(self.show("agent", "hes")["priority"])
        self.ctl("agent", "set", "hes", "--extended", "--no-groups", "--no-sources", "--no-expiry",
                 "--note", "reads at night")
        agent = self.show("agent", "hes")
        self.assertEqual((agent["groups"], agent["sources"], agent["expires"], agent["extended"],
                          agent["note"], agent["max_sessions"]),
                         ([], [], None, True, "reads at night", 5))
        self.ctl("agent", "disable", "hes")
        self.assertFalse(self.show("agent", "hes")["enabled"])
        self.ctl("agent", "enable", "hes")
        self.assertTrue(self.show("agent", "hes")["enabled"])
        self.ctl("agent", "remove", "hes")
        self.ctl("agent", "show", "hes", code=66)
        self.ctl("group", "set", "north", "feeder 7", "--name", "feeder 8")
        self.ctl("group", "remove", "north", "feeder 8")
        self.ctl("project", "remove", "north")
        self.assertEqual(self.list("project"), [])

    def test_names_that_a_path_would_take_apart(self):
        for name in ("a..", "7 #1", "a+b@c,", "Север"):
            self.ctl("project", "add", name)
            self.assertEqual(self.show("project", name)["name"], name)
            self.ctl("project", "remove", name)
        for name in ("..", ".", "?", "#", "a/b", "%2e%2e"):
            self.assertIn("no project", self.ctl("project", "show", name, code=66))

    # -- conflicts, and how it ends --

    def test_exit_codes(self):
        self.ctl("project", "add", "north")
        self.ctl("group", "add", "north", "a")
        etag = self.show("project", "north")["etag"]
        self.ctl("project", "set", "north", "--note", "one", "--if-match", etag)
        for code, words in ((75, ("project", "set", "north", "--note", "2", "--if-match", etag)),
                            (75, ("project", "add", "north")),
                            (75, ("project", "remove", "north")),
                            (66, ("project", "show", "south")),
                            (66, ("device", "show", "4711")),
                            (66, ("session", "kill", "4711")),
                            (65, ("project", "add", "bell\a")),
                            (65, ("agent", "add", "x", "--source", "10.0.0.1/8")),
                            (64, ("project", "add", "a", "b")),
                            (64, ("device", "list", "--limit", "0"))):
            got, out, error = self.run_it(*words)
            self.assertEqual((got, out), (code, ""), (words, error))
            self.assertEqual(len(error.splitlines()), 1, error)  # one sentence
            self.assertTrue(error.startswith("cencctl: "), error)
        self.assertEqual(self.show("project", "north")["note"], "one")

    def test_no_server(self):
        for path, words in ((self.state / "nothing", "No such file"), ("x" * 200, "too long")):
            self.assertIn(words, self.ctl("device", "list", "--socket", path, code=69))
        with socket.socket(socket.AF_UNIX) as silent:  # one that hangs up
            path = self.state / "other.sock"
            silent.bind(str(path))
            silent.listen()

            def hang_up():
                with silent.accept()[0] as connection:
                    connection.recv(65536)
            closer = threading.Thread(target=hang_up)
            closer.start()
            self.assertIn("broke off", self.ctl("device", "list", "--socket", path, code=69))
            closer.join()
        self.assertIn("no answer", self.ctl("device", "list", "--socket", path, code=69))

    @unittest.skipIf(os.getuid() == 0, "root may all")
    def test_who_may_not_open_the_socket(self):
        os.chmod(self.state / "admin.sock", 0)
        self.assertIn("ermission denied", self.ctl("device", "list", code=77))

    # -- passwords --

    def test_passwords_come_from_a_file_or_the_standard_input(self):
        file = self.state / "password"
        file.write_text("Zebra in a file\nsecond line\n")
        self.ctl("agent", "add", "a", "--password-file", file)
        self.ctl("agent", "add", "b", "--password-file", "-", stdin="Zebra by a pipe\n")
        self.ctl("agent", "add", "c", "--password", stdin="Zebra without newline")
        shown = self.ctl("agent", "add", "d")
        self.assertRegex(shown, r"^password: [\w-]{20}\n$")
        for agent in "abcd":
            self.assertTrue(self.show("agent", agent)["has_password"])
        for words in ({"stdin": ""}, {"stdin": "\n"}, {"stdin": "x" * 300}):
            self.assertIn(self.run_it("agent", "set", "a", "--password", **words)[0], (64, 74))
        self.assertEqual(self.run_it("agent", "set", "a", "--password-file", "/nowhere")[0], 74)
        self.assertEqual(self.run_it("agent", "add", "e", "--password=Zebra")[0], 64)
        for path in (self.state / "journal").iterdir():
            self.assertNotIn(b"Zebra", path.read_bytes())
        self.assertNotIn("Zebra", self.server.log())

    def at_a_terminal(self, words, answers):
        """Runs it with a terminal; answers: what is typed at each question. Exit code and all that
        the terminal shows."""
        child, terminal = pty.fork()
        if child == 0:
            os.execve(CENCCTL, [str(CENCCTL), *words], self.environment)
        shown = b""
        left = list(answers)
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while select.select([terminal], [], [], LIMIT_S)[0] and \
                    (part := os.read(terminal, 4096)):
                shown += part
                if left and shown.count(b": ") > len(answers) - len(left):
                    os.write(terminal, left.pop(0).encode() + b"\n")
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status), shown.decode()

    def test_a_password_is_asked_for_without_echo(self):
        code, shown = self.at_a_terminal(["agent", "add", "a", "--password"], ["Zebra7", "Zebra7"])
        self.assertEqual(code, 0, shown)
        self.assertNotIn("Zebra", shown)
        self.assertTrue(self.show("agent", "a")["has_password"])
        code, shown = self.at_a_terminal(["agent", "add", "b", "--password"], ["Zebra7", "Zebra8"])
        self.assertEqual(code, 64, shown)
        self.assertIn("differ", shown)
        self.ctl("agent", "show", "b", code=66)

    # -- again and again --

    def test_watch(self):
        watching = subprocess.Popen([CENCCTL, "project", "list", "--watch", "1"], text=True,
                                    stdout=subprocess.PIPE, env=self.environment)
        self.addCleanup(watching.stdout.close)
        self.addCleanup(watching.wait)
        self.addCleanup(watching.kill)
        self.assertTrue(watching.stdout.readline().startswith("NAME"))
        self.ctl("project", "add", "north")
        while not (line := watching.stdout.readline()).startswith("north"):
            self.assertTrue(line.startswith("NAME"), line)
        watching.send_signal(signal.SIGINT)
        self.assertEqual(watching.wait(LIMIT_S), -signal.SIGINT)

    # -- sessions, audit --

    def test_sessions_and_their_audit(self):
        self.modem(1)
        port = self.server.wait_device(ONE)["direct_port"]
        self.ctl("project", "add", "north")
        with connect_patiently(port) as agent:
            agent.sendall(b"ask")
            [session] = wait_until(lambda: self.list("session", "--device", ONE), "is listed")
            self.assertEqual(self.list("session", "--device", TWO), [])
            self.ctl("session", "kill", session["id"])
            self.assertTrue(is_closed(agent))
        finished = wait_until(
            lambda: [line for line in self.ctl("audit", "--device", ONE).splitlines()
                     if "access_finished" in line], "the journal has it")
        self.assertRegex(finished[0], rf"^20\S+Z +access_finished +{ONE} .*session/killed$")
        everything = self.ctl("audit")  # the journal beside the socket
        self.assertIn("project_added", everything)
        self.assertEqual(everything, self.ctl("audit", self.state / "journal"))
        self.assertNotIn("project_added", self.ctl("audit", "--device", ONE))
        self.assertEqual(self.ctl("audit", "--until", "2020-01-01"), "")
        self.assertEqual(self.ctl("audit", "--since", "1d"), everything)
        self.assertEqual(self.ctl("audit", "--agent", "nobody"), "")
        self.assertEqual(self.ctl("audit", "--project", "south"), "")
        kinds = [json.loads(line) for line in self.ctl("audit", "--json").splitlines()]
        self.assertTrue(any("access_started" in event for event in kinds))
        self.assertFalse(any("connected" in event for event in kinds))
        lines = self.ctl("audit", COLUMNS="100").splitlines()
        self.assertLessEqual(max(map(len, lines)), 100)
        self.ctl("audit", "--since", "tomorrow", code=64)
        self.ctl("audit", self.state / "nothing", code=74)


if __name__ == "__main__":
    unittest.main()
