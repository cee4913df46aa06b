"""The admin API by HTTPS: tokens, roles, what strangers may take, and that no token is anywhere."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess

import yaml

from admin_https import CENCCTL, ROLES, AdminHttps
from cencd import connect, is_closed, run, wait_until

SOURCE = pathlib.Path(os.environ["CENCD_SOURCE"])
DESCRIBED = yaml.safe_load((SOURCE / "docs/openapi.yaml").read_text())["paths"]
METHODS = ("get", "post", "patch", "put", "delete")
BAD = "cencd_" + "A" * 43


class Roles(AdminHttps):
    def test_every_role_at_every_path_by_every_method(self):
        self.serve()
        tokens = {role: self.token(role, role) for role in ROLES}
        for number, role in enumerate(ROLES):
            connection = self.connect()
            for path, operations in DESCRIBED.items():
                real = re.sub(r"\{[^}]*\}", "4711", path)
                for method in METHODS:
                    # what isn't described is for those who may do all
                    needed = operations.get(method, {}).get("x-role", "admin")
                    status, _, answer = self.ask(method.upper(), "/v1" + real, tokens[role],
                                                 connection=connection)
                    where = (role, method, path, answer)
                    if number < ROLES.index(needed):
                        self.assertEqual((status, answer["error"]), (403, "forbidden"), where)
                        self.assertIn(f"takes the role {needed}, yours is {role}", answer["text"])
                    else:
                        self.assertNotIn(status, (401, 403, 429, 500), where)

    def test_without_a_token_nothing(self):
        self.serve()
        for path in [*DESCRIBED, "/", "/nothing"]:
            for method in METHODS:
                status, headers, answer = self.ask(method.upper(), "/v1" + path)
                self.assertEqual((status, answer["error"]), (401, "unauthorized"), (method, path))
                self.assertEqual(headers["WWW-Authenticate"], 'Bearer realm="cencd"')
        self.assertEqual(self.server.metrics()['cencd_admin_requests_total{token="missing"}'],
                         (len(DESCRIBED) + 2) * len(METHODS))

    def test_a_change_tells_who_made_it(self):
        self.serve()
        token = self.token("dispatch", "admin")
        status, headers, _ = self.ask("POST", "/v1/projects", token, {"name": "north"})
        self.assertEqual(status, 201)
        self.assertEqual(self.ask("PATCH", "/v1/projects/north", token, {"note": "x"},
                                  **{"If-Match": headers["ETag"]})[0], 200)
        self.assertEqual(self.ask("PATCH", "/v1/projects/north", token, {"note": "y"},
                                  **{"If-Match": headers["ETag"]})[0], 412)
        self.server.stop()
        audit = subprocess.run([CENCCTL, "audit", self.state / "journal"], capture_output=True,
                               text=True, timeout=60, check=True).stdout
        self.assertRegex(audit, r"token_added +uid:\d+ +dispatch, role \"ROLE_ADMIN\"")
        self.assertRegex(audit, r"project_added +dispatch +north")
        dump = subprocess.run([CENCCTL, "journal", "dump", self.state / "journal", "--kind",
                               "project_added"], capture_output=True, text=True, timeout=60,
                              check=True).stdout
        self.assertEqual(json.loads(dump)["actor"]["name"], "dispatch")
        self.assertEqual(json.loads(dump)["actor"]["via"], "https")
        self.assertEqual(json.loads(dump)["actor"]["peer"]["address"], "127.0.0.1")


    def test_a_refused_action_is_audited(self):
        self.serve()
        viewer, desk = self.token("panel"), self.token("desk", "operator")
        for token, method, path in ((viewer, "POST", "/v1/projects"), (desk, "POST", "/v1/import"),
                                    (desk, "DELETE", f"/v1/agents/{viewer}"),
                                    (desk, "DELETE", "/v1/" + viewer), (desk, "TRACE", "/v1/x")):
            for _ in range(3):
                self.assertIn(self.ask(method, path, token)[0], (403, 405))
        self.assertEqual(self.ask("GET", "/v1/projects", viewer)[0], 200)
        self.server.stop()
        audit = subprocess.run([CENCCTL, "audit", self.state / "journal"], capture_output=True,
                               text=True, timeout=60, check=True).stdout
        refused = [line.split(maxsplit=3)[2:] for line in audit.splitlines()
                   if "action_refused" in line]
        # each once, however often it was tried, and no word of what else the path said
        self.assertEqual([(who, re.sub(r"from 127.0.0.1:\d+, 1 times", "", what))
                          for who, what in refused],
                         [("panel", "action_refused : POST projects with the role viewer"),
                          ("desk", "action_refused : POST import with the role operator"),
                          ("desk", "action_refused : DELETE agents with the role operator"),
                          ("desk", "action_refused : DELETE something else with the role operator")])
        self.assertNotIn(viewer, audit)


class Tokens(AdminHttps):
    def test_the_life_of_a_token(self):
        self.serve()
        token = self.token("panel", "viewer", "--note", "in the hall")
        self.assertRegex(token, r"^cencd_[A-Za-z0-9_-]{43}$")
        projects = ("GET", "/v1/projects", token)
        self.assertIsNone(self.ask("GET", "/v1/tokens/panel", token=None)[2].get("token"))
        status, _, shown = self.ask("GET", "/v1/tokens/panel", token)
        self.assertEqual(status, 200)
        self.assertEqual((shown["role"], shown["note"], shown["enabled"]),
                         ("viewer", "in the hall", True))
        self.assertNotIn("token", shown)
        self.assertIsNotNone(shown["last_used"])
        self.restart()
        self.assertEqual(self.ask(*projects)[0], 200)
        for shut, opened in ((["disable", "panel"], ["enable", "panel"]),
                             (["set", "panel", "--source", "10.0.0.0/8"],
                              ["set", "panel", "--no-sources"]),
                             (["set", "panel", "--expires", "2020-01-01T00:00:00Z"],
                              ["set", "panel", "--expires", "2100-01-01T00:00:00Z"])):
            self.ctl("token", *shut)
            self.assertIn(self.ask(*projects)[0], (401, 429), shut)
            self.ctl("token", *opened)
            self.assertEqual(self.ask(*projects)[0], 200, opened)
        self.ctl("token", "set", "panel", "--role", "operator", "--name", "desk")
        self.assertEqual(self.ask("DELETE", "/v1/sessions/7", token)[0], 404)
        self.assertEqual(self.ask("POST", "/v1/projects", token, {"name": "x"})[0], 403)
        self.ctl("token", "remove", "desk")
        self.assertEqual(self.ask(*projects)[0], 401)
        self.ctl("token", "add", "x", code=65)  # without a role
        self.ctl("token", "add", "x", "--role", "king", code=65)
        self.ctl("token", "show", "desk", code=66)

    def test_a_token_is_nowhere(self):
        server = self.serve(log="debug")
        said = self.ctl("token", "add", "panel", "--role", "admin")
        token = re.fullmatch(r"token: (cencd_\S+)\n", said)[1]
        self.assertEqual(self.ask("GET", "/v1/tokens", token)[0], 200)
        self.assertEqual(self.ask("GET", f"/v1/projects/{token}", token)[0], 404)
        self.ask("GET", "/v1/tokens", token + "x")
        shown = [server.get(page)[1] for page in ("/metrics", "/stats")]
        server.stop()
        for path in [*self.state.rglob("*"), server.log_path]:
            if path.is_file():
                self.assertNotIn(token[6:].encode(), path.read_bytes(), path)
        for words in (["audit"], ["journal", "dump"]):
            shown.append(subprocess.run([CENCCTL, *words, self.state / "journal"],
                                        capture_output=True, timeout=60, check=True).stdout)
        for text in shown:
            self.assertNotIn(token[6:], text if isinstance(text, str) else text.decode())

    def test_bad_tokens_are_held_off_and_good_ones_are_not(self):
        server = self.serve()
        token = self.token("panel")
        self.assertEqual(self.ask("GET", "/v1/projects", BAD)[0], 401)
        for given in (BAD, "x" * 9000, "x", ""):
            status, headers, answer = self.ask("GET", "/v1/projects", given)
            self.assertIn(status, (401, 429), answer)
        for _ in range(20):  # each wait is twice as long, so this ends however slow the machine is
            if status == 429:
                break
            status, headers, answer = self.ask("GET", "/v1/projects", BAD)
        self.assertEqual((status, answer["error"]), (429, "held_off"))
        self.assertGreater(int(headers["Retry-After"]), 0)
        self.assertEqual(self.ask("GET", "/v1/projects", token)[0], 200)
        metrics = server.metrics()
        self.assertGreaterEqual(metrics['cencd_admin_requests_total{token="unknown"}'], 3)
        self.assertGreaterEqual(metrics['cencd_admin_requests_total{token="held_off"}'], 1)
        self.assertEqual(metrics['cencd_admin_requests_total{token="good"}'], 1)
        self.assertEqual(metrics["cencd_access_tokens"], 1)
        server.wait_logged(module="admin", verdict="unknown")
        server.stop()
        dump = subprocess.run([CENCCTL, "journal", "dump", self.state / "journal", "--kind",
                               "security_event"], capture_output=True, text=True, timeout=60,
                              check=True).stdout
        self.assertIn('"kind":"SECURITY_KIND_LOGIN_FAILED"', dump)
        self.assertIn("access token: unknown", dump)


class Clients(AdminHttps):
    def curl(self, path, *words, authority=None, token=None, code=0):
        """What curl says, and the status."""
        header = ["-H", f"Authorization: Bearer {token}"] if token else []
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "60", "-w", "\n%{http_code}", *header, "--cacert",
             str((authority or self.authority).certificate), *words,
             f"https://127.0.0.1:{self.port}/v1{path}"],
            capture_output=True, text=True, timeout=90, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def test_curl(self):
        server = self.serve()
        token = self.token("script", "admin")
        self.assertEqual(self.curl("/projects", token=token)[0], 200)
        self.assertEqual(self.curl("/projects", "-d", '{"name": "north"}', token=token)[0], 201)
        self.assertEqual(self.curl("/projects", "--http2", token=token)[0], 200)
        self.assertEqual(self.curl("/projects")[0], 401)
        self.curl("/projects", authority=self.stranger, token=token, code=60)
        server.wait_closed("admin", "tls")

    def test_large_bodies(self):
        self.serve()
        token = self.token("script", "admin")
        large = pathlib.Path(os.environ["TMPDIR"]) / "large"
        large.write_bytes(b" " * (1 << 20))
        for words in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]):
            self.assertEqual(self.curl("/projects", "--data-binary", f"@{large}", *words,
                                       token=token)[0], 413, words)
        # whoever has no token isn't listened to, and still hears why
        self.assertEqual(self.curl("/projects", "--data-binary", f"@{large}")[0], 401)
        self.assertEqual(self.curl("/projects", token=token)[0], 200)

    def test_a_large_answer(self):
        self.serve()
        token = self.token("script")
        desk = self.token("desk", "operator")
        writing, reading = self.connect(), self.connect()
        for number in range(1500):
            self.assertEqual(self.ask("POST", "/v1/devices", desk, {"serial": f"{number:020}"},
                                      connection=writing)[0], 201)
        for _ in range(3):
            items = self.ask("GET", "/v1/devices?limit=1000", token, connection=reading)[2]["items"]
            self.assertEqual(len(items), 1000)

    def test_clear_text_is_no_tls(self):
        server = self.serve()
        with contextlib.closing(connect(self.port)) as connection:
            connection.sendall(b"GET /v1/projects HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(is_closed(connection))
        server.wait_closed("admin", "tls")

    def test_half_requests_end_with_the_client_or_the_server(self):
        server = self.serve()
        token = self.token("script").encode()
        for words in (b"", b"GET /v1/pro", b"GET /v1/projects HTTP/1.1\r\nHost: x\r\n",
                      b"POST /v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                      b"Authorization: Bearer " + token + b"\r\n\r\n{\"na"):
            connection = self.secure()
            connection.sendall(words)
        client = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{self.port}"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait, 60)
        self.addCleanup(client.stdin.close)
        client.stdin.write(b"GET /v1/projects HTTP/1.1\r\nHo")
        client.stdin.flush()
        wait_until(lambda: server.metric("cencd_admin_connections") == 5, "five are there")
        self.assertEqual(self.ask("GET", "/v1/projects", token.decode())[0], 200)
        client.kill()
        wait_until(lambda: server.metric("cencd_admin_connections") <= 5, "one has gone")
        server.stop()  # the others are in nobody's way

    def test_clients_need_a_certificate_if_so_told(self):
        server = self.serve(client_ca=self.authority.certificate)
        token = self.token("script")
        certificate, key = self.authority.sign("client", "DNS:client.example")
        self.assertEqual(self.curl("/projects", "--cert", certificate, "--key", key,
                                   token=token)[0], 200)
        self.assertEqual(self.curl("/projects", "--cert", certificate, "--key", key)[0], 401)
        certificate, key = self.stranger.sign("client", "DNS:client.example")
        for words in ([], ["--cert", certificate, "--key", key]):
            self.curl("/projects", *words, token=token, code=56)
        server.wait_closed("admin", "tls", 2)


class Limits(AdminHttps):
    def test_of_one_address(self):
        server = self.serve(max_connections_per_source=3)
        token = self.token("script")
        held = [self.secure() for _ in range(3)]
        fourth = self.connection(self.port)
        self.assertTrue(is_closed(fourth))
        server.wait_closed("limit", "admin_source")
        held.pop().close()
        wait_until(lambda: server.metric("cencd_admin_connections") == 2, "one has gone")
        self.assertEqual(self.ask("GET", "/v1/projects", token)[0], 200)

    def test_strangers_make_room_and_who_has_a_token_stays(self):
        """Strangers from many addresses took all places, and who had a token was refused."""
        server = self.serve(max_connections=6, max_connections_per_source=6,
                            handshake_timeout_s=60, idle_timeout_s=600)
        token = self.token("script")
        mine = self.connect()
        asked = ("GET", "/v1/projects", token)
        self.assertEqual(self.ask(*asked, connection=mine)[0], 200)
        silent = [self.connection(self.port, f"127.1.0.{number}") for number in range(1, 5)]
        bad = self.connection(self.port, "127.1.0.5")
        bad.settimeout(60)
        bad = self.keep(self.context().wrap_socket(bad, server_hostname="localhost"))
        bad.sendall(f"GET /v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {BAD}\r\n\r\n".encode())
        self.assertIn(b" 401 ", bad.recv(4096))
        self.assertEqual(server.metric("cencd_admin_connections"), 6)
        fresh = self.connect()
        self.assertEqual(self.ask(*asked, connection=fresh)[0], 200)
        self.assertTrue(is_closed(silent[0]))  # the oldest one
        for number in range(6, 16):
            self.connection(self.port, f"127.1.0.{number}")
        for stranger in (*silent, bad):
            self.assertTrue(is_closed(stranger))
        server.wait_closed("limit", "admin", 11)
        for connection in (mine, fresh):
            self.assertEqual(self.ask(*asked, connection=connection)[0], 200)
        for _ in range(4):
            self.assertEqual(self.ask(*asked, connection=self.connect())[0], 200)
        # all places are with those who have a token
        self.assertTrue(is_closed(self.connection(self.port, "127.1.0.20")))

    def test_a_thousand_connections(self):
        server = self.serve(max_connections=20, max_connections_per_source=1000)
        token = self.token("script")
        threads = pathlib.Path(f"/proc/{server.process.pid}/task")
        before = len(list(threads.iterdir()))
        held = [self.connection(self.port) for _ in range(1000)]
        server.wait_closed("limit", "admin", 980)
        self.assertLessEqual(server.metric("cencd_admin_connections"), 20)
        self.assertLess(len(list(threads.iterdir())), before + 10)  # none has asked anything
        self.ctl("project", "list")
        for connection in held:
            connection.close()
        wait_until(lambda: server.metric("cencd_admin_connections") == 0, "they have gone")
        self.assertEqual(self.ask("GET", "/v1/projects", token)[0], 200)

    def test_time(self):
        server = self.serve(handshake_timeout_s=3, idle_timeout_s=3)
        token = self.token("script")
        self.assertTrue(is_closed(self.connection(self.port)))
        server.wait_closed("admin", "handshake")
        half = self.connection(self.port)
        half.sendall(b"\x16\x03\x01\x02\x00")
        self.assertTrue(is_closed(half))
        server.wait_closed("admin", "handshake", 2)
        self.assertEqual(self.secure().recv(1), b"")
        server.wait_closed("admin", "idle")
        connection = self.connect()
        self.assertEqual(self.ask("GET", "/v1/projects", token, connection=connection)[0], 200)
        server.wait_closed("admin", "idle", 2)


    def test_a_request_or_an_answer_that_takes_too_long(self):
        server = self.serve(request_timeout_s=3, idle_timeout_s=600)
        halves = []
        token = self.token("script", "admin")
        for words in ("GET /v1/projects HTTP/1.1\r\nHost: x\r\n",
                      "POST /v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                      f"Authorization: Bearer {token}\r\n\r\n{{\"na"):
            halves.append(self.secure())
            halves[-1].sendall(words.encode())
        for half in halves:
            self.assertTrue(is_closed(half))
        server.wait_closed("admin", "slow", 2)
        rows = pathlib.Path(os.environ["TMPDIR"]) / "many.csv"
        rows.write_text("serial,project,group\n" + "".join(
            f"{number:031},p,{'g' * 90}\n" for number in range(60_000)))
        self.ctl("import", rows)
        self.ctl("export", "--output", rows.with_suffix(".all.csv"))  # the store has it all
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # and it doesn't read on
        raw.connect(("127.0.0.1", self.port))
        reader = self.keep(self.context().wrap_socket(raw, server_hostname="localhost"))
        reader.sendall(f"GET /v1/export?format=csv HTTP/1.1\r\nHost: x\r\n"
                       f"Authorization: Bearer {token}\r\n\r\n".encode())
        self.assertIn(b" 200 ", reader.recv(100))
        server.wait_closed("admin", "slow", 3)


class Start(AdminHttps):
    def refused(self, code, words, **admin):
        server = self.serve(start=False, **admin)
        got, _, text = run("--config", server.config_path)
        self.assertEqual(got, code, text)
        self.assertIn(words, text)

    def test_what_cannot_be_served(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            self.refused(69, "admin.address",
                         address=f"127.0.0.1:{holder.getsockname()[1]}")
        self.refused(69, "knows no user or group nosuch",
                     unix_roles=[{"group": "nosuch", "role": "viewer"}])
        own = self.own
        self.addCleanup(setattr, type(self), "own", own)
        type(self).own = own[0], self.authority.sign("other", "DNS:x")[1]
        self.refused(69, "admin.tls")
        type(self).own = "", ""
        self.refused(78, "expected admin.tls to be set")


class FromElsewhere(AdminHttps):
    """cencctl by HTTPS."""

    def remote(self, *words, token=None, code=0, ca=None, **environment):
        file = pathlib.Path(os.environ["TMPDIR"]) / "a.token"
        file.write_text((token or BAD) + "\n")
        return self.ctl(*words, code=code, environment={
            "CENCD_SERVER": f"https://localhost:{self.port}", "CENCD_TOKEN_FILE": str(file),
            "CENCD_CA": str(ca or self.authority.certificate), **environment})

    def test_all_kinds_of_commands(self):
        self.serve()
        token = self.token("dispatch", "admin")
        self.remote("project", "add", "north", token=token)
        self.assertIn("north", self.remote("project", "list", token=token))
        self.assertEqual(json.loads(self.remote("project", "show", "north", "--json",
                                                token=token))["name"], "north")
        self.remote("device", "add", "77", "--scope", "far", token=token)
        self.assertIn("far", self.remote("device", "show", "77", token=token))  # its only scope
        # what is said by options counts, and the socket is as good as ever
        self.assertIn("north", self.remote("project", "list", "--socket",
                                           self.state / "admin.sock"))
        self.remote("project", "list", "--token-file", "/dev/null", token=token, code=74)

    def test_what_is_refused(self):
        self.serve()
        viewer = self.token("panel")
        self.assertIn("takes the role admin, yours is viewer",
                      self.remote("project", "add", "x", token=viewer, code=77))
        self.assertIn("no such access token", self.remote("project", "list", code=77))
        self.assertIn("certificate", self.remote("project", "list", token=viewer, code=69,
                                                 ca=self.stranger.certificate))
        self.remote("project", "list", token=viewer, code=69,  # the name isn't the certificate's
                    CENCD_SERVER=f"https://127.0.0.2:{self.port}")
        for url in (f"http://localhost:{self.port}", "localhost", "https://", "https://a/b",
                    "https://user@localhost"):
            self.assertIn("https://HOST:PORT",
                          self.remote("project", "list", code=64, CENCD_SERVER=url))
        self.assertIn("--token-file", self.remote("project", "list", code=64, CENCD_TOKEN_FILE=""))
        said = self.remote("project", "list", code=74, CENCD_TOKEN_FILE="/nothing/here")
        self.assertIn("no token can be read from /nothing/here", said)
        self.server.stop()
        self.assertIn("no answer from the server at https://localhost",
                      self.remote("project", "list", token=viewer, code=69))
