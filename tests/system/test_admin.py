"""The admin API and cencctl: the life of a project from empty to audited, conflicts, bad input, and
that what was done outlasts a kill."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import stat
import subprocess
import tempfile
import unittest

from cencd import Cencd, Modem, PROGRAM, connect_patiently, imei_of, is_closed, wait_until

ONE, TWO = imei_of(1), imei_of(2)

CENCCTL = PROGRAM.parent / "cencctl"
SOURCE = pathlib.Path(os.environ["CENCD_SOURCE"])


class Admin(unittest.TestCase):
    def setUp(self):
        # the path of a Unix socket has at most 107 bytes
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="cencd-a-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)
        self.server = None

    def start(self, **changes):
        self.server = Cencd({"server": {"state_dir": str(self.state)}} if not changes else changes)
        self.addCleanup(self.kill)
        return self.server

    def kill(self):
        self.server.process.kill()
        self.server.process.wait()

    def restart(self):
        self.server.kill()
        self.server.start()

    def ctl(self, *words, code=0, stdin=None):
        """What cencctl says."""
        done = subprocess.run([CENCCTL, *map(str, words), "--socket", self.state / "admin.sock"],
                              capture_output=True, text=True, timeout=60, check=False, input=stdin)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def list(self, noun, *words):
        return json.loads(self.ctl(noun, "list", *words, "--json"))

    def call(self, method, path, body=None, **headers):
        """(status, headers, value) of a request without cencctl."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.0", f"Content-Length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.state / "admin.sock"))
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        head, _, text = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        found = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), found, json.loads(text) if text else None

    # -- the first agent --

    def test_the_first_agent(self):
        self.start()
        file = self.state / "first-agent"
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        name, _, password = file.read_text().strip().partition(":")
        self.assertEqual(name, "admin")
        self.assertGreaterEqual(len(password), 20)
        agents = self.list("agent")
        self.assertEqual([(a["name"], a["extended"], a["has_password"]) for a in agents],
                         [("admin", True, True)])
        self.ctl("agent", "remove", "admin")
        self.restart()  # it doesn't come back, and the file isn't written again
        self.assertEqual(self.list("agent"), [])
        self.assertEqual(file.read_text().strip(), f"{name}:{password}")
        for path in (self.state / "journal").iterdir():
            self.assertNotIn(password.encode(), path.read_bytes())
        self.assertNotIn(password, self.server.log())

    def test_numbers(self):
        server = self.start()
        self.ctl("agent", "add", "hes")
        metrics = server.metrics()
        self.assertEqual((metrics["cencd_agents"], metrics["cencd_agents_extended"]), (2, 1))
        self.assertEqual(metrics['cencd_logins_total{verdict="wrong_password"}'], 0)

    # -- the life of a project --

    def test_from_empty_to_audited(self):
        server = self.start()
        self.assertEqual(self.list("binding"), [])
        with contextlib.closing(Modem(server, 1)):
            [device] = wait_until(lambda: self.list("device"), "the modem isn't known")
            self.assertIsNone(device["project"])
            self.ctl("project", "add", "north", "--note", "the first")
            self.ctl("group", "add", "north", "feeder 7")
            listener = self.list("listener")[0]["name"]
            self.ctl("binding", "set", listener, "north")
            wait_until(lambda: self.list("device", "--project", "north", "--online"),
                       "who waits on the port joins the project")
        with contextlib.closing(Modem(server, 2)):
            wait_until(lambda: len(self.list("device", "--project", "north")) == 2,
                       "who comes later joins, too")
        self.ctl("device", "move", ONE, "--project", "north", "--group", "feeder 7")
        self.ctl("agent", "add", "hes", "--group", "north/feeder 7", "--password-file", "-",
                 stdin="geheimnis\n")
        self.assertIn("it has 1 groups", self.ctl("project", "remove", "north", code=75))
        self.assertIn("it has 1 devices", self.ctl("group", "remove", "north", "feeder 7", code=75))
        self.ctl("device", "move", ONE, "--no-group")
        self.assertIn("agent hes", self.ctl("group", "remove", "north", "feeder 7", code=75))
        self.ctl("project", "set", "north", "--name", "Север")
        before = [self.list(noun) for noun in ("project", "group", "agent", "binding", "device")]
        self.assertEqual({d["project"] for d in before[-1]}, {"Север"})
        self.restart()
        after = [self.list(noun) for noun in ("project", "group", "agent", "binding", "device")]
        for devices in (before[-1], after[-1]):  # what belongs to links, which are gone
            for device in devices:
                for key in ("state", "peer", "last_seen", "signal_csq", "bytes_received",
                            "bytes_sent"):
                    del device[key]
        self.assertEqual(before, after)
        self.server.stop()
        audit = subprocess.run([CENCCTL, "audit", self.state / "journal"], capture_output=True,
                               text=True, timeout=60, check=True).stdout
        uid = f"uid:{os.getuid()}"
        for words in (rf"project_added +{uid} +north, note \"the first\"", "binding_changed",
                      rf"agent_added +{uid} +hes, groups north/feeder 7",
                      rf"device_moved +{ONE} +{uid} +north -> north/feeder 7",
                      rf"project_changed +{uid} +north -> Север"):
            self.assertRegex(audit, words)
        self.assertNotIn("geheimnis", audit)

    def test_removing_a_binding_moves_nobody_unless_asked(self):
        server = self.start()
        self.ctl("project", "add", "a")
        self.ctl("project", "add", "b")
        listener = self.list("listener")[0]["name"]
        self.ctl("binding", "set", listener, "a")
        with contextlib.closing(Modem(server, 1)):
            wait_until(lambda: self.list("device", "--project", "a"), "joins")
        self.ctl("binding", "set", listener, "b")
        self.ctl("binding", "remove", listener)
        self.assertEqual(len(self.list("device", "--project", "a")), 1)
        self.ctl("binding", "set", listener, "a")
        wait_until(lambda: not self.list("binding")[0]["moving"], "moved")
        self.ctl("binding", "set", listener, "b", "--move")
        wait_until(lambda: self.list("device", "--project", "b"), "moved")
        wait_until(lambda: not self.list("binding")[0]["moving"], "moved")
        self.ctl("binding", "remove", listener, "--move")
        wait_until(lambda: self.list("device", "--project", ""), "moved to none")

    # -- sessions --

    def test_a_session_is_listed_and_killed(self):
        server = self.start()
        with contextlib.closing(Modem(server, 1)):
            port = server.wait_device(ONE)["direct_port"]
            with connect_patiently(port) as agent:
                agent.sendall(b"ask")
                wait_until(lambda: self.list("session"), "no session is listed")
                [session] = self.list("session")
                self.assertEqual((session["serial"], session["path"]), (ONE, "direct_port"))
                self.ctl("session", "kill", session["id"])
                self.assertTrue(is_closed(agent))
                wait_until(lambda: not self.list("session"), "it is still listed")
        self.ctl("session", "kill", 4711, code=66)

    # -- conflicts and bad input --

    def test_of_two_edits_at_once_the_second_fails(self):
        self.start()
        status, headers, _ = self.call("POST", "/v1/projects", {"name": "north"})
        self.assertEqual(status, 201)
        etag = headers["etag"]
        self.assertEqual(self.call("PATCH", "/v1/projects/north", {"note": "one"},
                                   If_Match=etag)[0], 200)
        status, _, answer = self.call("PATCH", "/v1/projects/north", {"note": "two"},
                                      If_Match=etag)
        self.assertEqual((status, answer["error"]), (412, "conflict"))
        # another one of the same name is another one
        etag = self.call("GET", "/v1/projects/north")[1]["etag"]
        self.assertEqual(self.call("DELETE", "/v1/projects/north", If_Match=etag)[0], 204)
        self.call("POST", "/v1/projects", {"name": "north"})
        self.call("PATCH", "/v1/projects/north", {"note": "three"})
        self.assertEqual(self.call("DELETE", "/v1/projects/north", If_Match=etag)[0], 412)

    def test_bad_input_changes_nothing(self):
        self.start()
        self.call("POST", "/v1/projects", {"name": "north"})
        agents = self.list("agent")
        for method, path, body, wanted in [
                ("POST", "/v1/projects", {"name": "North"}, 409),      # looks alike
                ("POST", "/v1/projects", {"name": "\u0430bc"}, 400),   # both scripts
                ("POST", "/v1/projects", {"name": "a\u0007"}, 400),
                ("POST", "/v1/projects", {"name": "a\u202eb"}, 400),
                ("POST", "/v1/projects", {"name": "a\u0000b"}, 400),
                ("POST", "/v1/projects", {"name": "x" * 96}, 400),
                ("POST", "/v1/projects", {"name": ""}, 400),
                ("POST", "/v1/projects", {}, 400),
                ("POST", "/v1/projects", {"name": 7}, 400),
                ("POST", "/v1/projects", {"name": "x", "colour": "red"}, 400),
                ("POST", "/v1/projects", [], 400),
                ("POST", "/v1/projects", b"{", 400),
                ("POST", "/v1/projects", b'{"name": "a", "name": "b"}', 400),
                ("POST", "/v1/projects", b'{"name": "\xff"}', 400),
                ("POST", "/v1/projects", b" " * (1 << 20), 413),
                ("POST", "/v1/projects", None, 400),
                ("POST", "/v1/agents", {"name": "with space"}, 400),
                ("POST", "/v1/agents", {"name": "x", "sources": ["10.0.0.1/8"]}, 400),
                ("POST", "/v1/agents", {"name": "x", "groups": ["north"]}, 400),
                ("POST", "/v1/agents", {"name": "x", "projects": ["south"]}, 404),
                ("POST", "/v1/agents", {"name": "x", "expires": "tomorrow"}, 400),
                ("POST", "/v1/agents", {"name": "x", "expires": "2099-02-30T00:00:00Z"}, 400),
                ("POST", "/v1/agents", {"name": "x", "max_sessions": -1}, 400),
                ("POST", "/v1/agents", {"name": "x", "password": "p" * 256}, 400),
                ("POST", "/v1/agents", {"name": "x", "enabled": "yes"}, 400),
                ("POST", "/v1/groups", {"project": "south", "name": "x"}, 404),
                ("POST", "/v1/devices", {"serial": "x" * 60}, 400),
                ("POST", "/v1/devices", {"serial": "a\u0007"}, 400),
                ("POST", "/v1/devices", {"serial": "1 2"}, 400),
                ("POST", "/v1/devices", {"serial": "\u0410TM21"}, 400),  # Cyrillic
                ("POST", "/v1/devices", {"serial": "1\\x00"}, 400),
                ("POST", "/v1/devices", {}, 400),
                ("PUT", "/v1/bindings/nothing", {"project": "north"}, 404),
                ("PATCH", "/v1/projects/north%00", {"note": ""}, 404),
                ("GET", "/v1/projects?colour=red", None, 400),
                ("GET", "/v1/devices?limit=many", None, 400),
                ("GET", "/v1/devices?limit=1&limit=2", None, 400),
                ("GET", "/v1/devices?project=nor%00th", None, 400),
                ("PATCH", f"/v1/listeners/{self.server.port}x", {"running": False}, 404),
                ("PUT", f"/v1/bindings/{self.server.port}x", {"project": "north"}, 404),
                ("PUT", "/v1/bindings/65536", {"project": "north"}, 404),
                ("GET", "/v1/devices?state=tired", None, 400),
                ("GET", "/v1/projects/north/x", None, 404),
                ("GET", "/v1/groups/north", None, 404),
                ("GET", "/v1/groups/north/nothing", None, 404),
                ("PATCH", "/v1/agents/nobody", {"note": ""}, 404),
                ("DELETE", "/v1/channels/nothing", None, 404),
                ("DELETE", "/v1/tokens/nothing", None, 404),
                ("DELETE", "/v1/tokens", None, 405),
                ("POST", "/v1/tokens/nothing/x", {"name": "x"}, 404),
                ("GET", "/v1", None, 404),
                ("GET", "/v1/a/b/c/d/e/f", None, 404),
                ("GET", "/v1/" + "x" * 300, None, 404),
                ("DELETE", "/v1/projects", None, 405),
                ("TRACE", "/v1/projects", None, 405)]:
            status, _, answer = self.call(method, path, body)
            self.assertEqual(status, wanted, (method, path, body and body[:40]
                                              if isinstance(body, bytes) else body, answer))
            self.assertEqual(set(answer), {"error", "text"})
        for etag in ("1-1", '"1"', '"x-1"', '"1-0"', '"1-1'):
            self.assertEqual(self.call("PATCH", "/v1/projects/north", {"note": "x"},
                                       If_Match=etag)[0], 400)
        self.assertEqual([p["name"] for p in self.list("project")], ["north"])
        self.assertEqual(self.list("agent"), agents)

    def test_half_requests_hold_nobody_up(self):
        self.start()
        idle = []
        for words in (b"", b"POST /v1/proj", b"POST /v1/projects HTTP/1.1\r\nContent-Length: 9\r\n"
                      b"\r\n{\"na"):
            half = socket.socket(socket.AF_UNIX)
            half.connect(str(self.state / "admin.sock"))
            half.sendall(words)
            idle.append(half)
        self.assertEqual(self.list("project"), [])
        for half in idle:
            half.close()

    def test_who_takes_all_places_is_shut_out_until_he_leaves(self):
        self.start()
        held = []
        while self.answers():
            half = socket.socket(socket.AF_UNIX)
            self.addCleanup(half.close)
            half.connect(str(self.state / "admin.sock"))
            half.sendall(b"GET /v1/pro")
            held.append(half)
            self.assertLess(len(held), 100)
        self.assertGreater(len(held), 16)
        for half in held:
            half.close()
        wait_until(self.answers, "the places are free again")

    def answers(self):
        done = subprocess.run([CENCCTL, "project", "list", "--socket", self.state / "admin.sock"],
                              capture_output=True, timeout=60, check=False)
        return done.returncode == 0

    def test_an_answer_never_repeats_a_password(self):
        self.start()
        for body in (b'{"name": "hes", "password": "geheim', b'{"name": "hes", "password": geheim}',
                     b'{"name": "hes", "password": "geheim", "geheim',
                     b'{"password": "geheim"}', b'{"name": "hes", "password": ["geheim"]}'):
            status, _, answer = self.call("POST", "/v1/agents", body)
            self.assertEqual(status, 400)
            self.assertNotIn("geheim", answer["text"])
        self.assertIn("line 2, column 1", self.call("POST", "/v1/agents", b"{\n!")[2]["text"])

    def test_an_empty_password_changes_nothing(self):
        self.start()
        self.call("POST", "/v1/agents", {"name": "hes", "password": "geheim"})
        status, _, agent = self.call("PATCH", "/v1/agents/hes", {"password": "", "note": "x"})
        self.assertEqual((status, agent["has_password"], agent["note"]), (200, True, "x"))

    def test_lists_have_pages(self):
        self.start()
        for number in range(7):
            self.call("POST", "/v1/devices", {"serial": str(1000 + number)})
            self.call("POST", "/v1/projects", {"name": f"p{number}"})
        for what, key in (("devices", "serial"), ("projects", "name")):
            found = []
            after = "0"
            while after is not None:
                _, _, page = self.call("GET", f"/v1/{what}?limit=3&after={after}")
                self.assertLessEqual(len(page["items"]), 3)
                found += [item[key] for item in page["items"]]
                after = page["next"]
            self.assertEqual(len(set(found)), 7)
        self.assertEqual(len(self.list("device", "--limit", 5)), 5)
        self.assertEqual(len(self.list("device", "--serial", "1003")), 1)
        self.assertEqual(self.list("device", "--online"), [])
        self.ctl("device", "remove", "1003")
        self.assertEqual(len(self.list("device", "--offline")), 6)

    # -- import and export --

    def test_an_export_says_when_the_store_is_behind(self):
        self.start()
        store = sqlite3.connect(self.state / "directory.sqlite", isolation_level=None)
        self.addCleanup(store.close)
        wait_until(lambda: store.execute("SELECT count(*) FROM agent").fetchone()[0] == 1,
                   "the store has what was there at the start")
        store.execute("BEGIN IMMEDIATE")  # nobody else writes to it
        self.assertEqual(self.call("POST", "/v1/projects", {"name": "north"})[0], 201)
        status, headers, answer = self.call("GET", "/v1/export?format=cehes&project=north")
        self.assertEqual((status, answer["error"]), (503, "unavailable"))
        self.assertIn("still behind the journal", answer["text"])
        self.assertGreater(int(headers["retry-after"]), 0)
        store.execute("ROLLBACK")
        self.assertEqual(self.call("GET", "/v1/export?format=cehes&project=north")[0], 200)

    # -- who may --

    def test_without_a_state_folder_there_is_no_api(self):
        self.start(server={"shards": 1})
        self.assertIn("no answer", self.ctl("project", "list", code=69))

    # -- cencctl --

    def test_the_manual_is_what_the_program_says(self):
        said = subprocess.run([CENCCTL, "--man"], capture_output=True, text=True, timeout=60,
                              check=True).stdout
        self.assertEqual(said, (SOURCE / "docs/man/cencctl.1").read_text())
        words = subprocess.run([CENCCTL, "--help"], capture_output=True, text=True, timeout=60,
                               check=True).stdout
        self.assertLessEqual(max(map(len, words.splitlines())), 80)

    def test_what_bash_completes(self):
        script = ('source <("$0" --completion bash); COMP_WORDS=(cencctl "$@"); COMP_CWORD=$#; _cencctl; '
                  'echo "${COMPREPLY[@]}"')
        for words, wanted in ((["dev"], "device"), (["agent", "en"], "enable"),
                              (["device", "list", "--of"], "--offline")):
            done = subprocess.run(["bash", "-c", script, CENCCTL, *words], capture_output=True,
                                  text=True, timeout=60, check=True)
            self.assertEqual(done.stdout.strip(), wanted)

    def test_usage(self):
        self.start()
        for words in (["device"], ["device", "dance"], ["device", "show"], ["agent", "add"],
                      ["project", "add", "a", "b"], ["device", "list", "--colour"],
                      ["agent", "add", "x", "--group", "north"],
                      ["agent", "add", "x", "--max-sessions", "many"]):
            self.ctl(*words, code=64)


if __name__ == "__main__":
    unittest.main()
