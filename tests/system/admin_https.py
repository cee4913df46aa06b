"""A server whose admin API is served by HTTPS, too, with an authority of the test's own."""

import http.client
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile

import test_redis_tls
from accounts import free_port
from cencd import PROGRAM, SystemTest

CENCCTL = PROGRAM.parent / "cencctl"
ROLES = ("viewer", "operator", "admin")


class AdminHttps(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(tempfile.mkdtemp(dir=os.environ["TMPDIR"]))
        cls.authority = test_redis_tls.Authority(folder, "authority")
        cls.stranger = test_redis_tls.Authority(folder, "stranger")
        cls.own = cls.authority.sign("cencd", "DNS:localhost,IP:127.0.0.1")

    def serve(self, start=True, client_ca="", log="info", **admin):
        # the path of a Unix socket has at most 107 bytes
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="cencd-h-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)
        self.port = free_port()
        certificate, key = self.own
        self.server = self.cencd({
            "server": {"state_dir": str(self.state)}, "log": {"level": log},
            "admin": {"https": True, "address": f"127.0.0.1:{self.port}", **admin,
                      "tls": {"certificate": certificate, "key": key,
                              "client_ca": str(client_ca)}}}, start=start)
        return self.server

    def restart(self):
        self.server.kill()
        self.server.start()

    # -- by the Unix socket --

    def ctl(self, *words, code=0, environment=None):
        """What cencctl says, by the socket unless it is told otherwise."""
        done = subprocess.run([CENCCTL, *map(str, words)], capture_output=True, text=True,
                              timeout=60, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "CENCD_SOCKET": str(self.state / "admin.sock"),
                                   **(environment or {})})
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def token(self, name, role="viewer", *words):
        said = json.loads(self.ctl("token", "add", name, "--role", role, *words, "--json"))
        return said["token"]

    # -- by HTTPS --

    def context(self, authority=None):
        return ssl.create_default_context(cafile=str((authority or self.authority).certificate))

    def connect(self, context=None):
        return self.keep(http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60,
                                                     context=context or self.context()))

    def ask(self, method, path, token=None, body=None, connection=None, **headers):
        """(status, headers, value)."""
        connection = connection or self.connect()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, path, headers=headers,
                           body=body if body is None or isinstance(body, bytes) else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, answer.headers, json.loads(text) if text else None

    def secure(self):
        """A TLS connection that has said nothing."""
        raw = self.connection(self.port)
        raw.settimeout(60)
        return self.keep(self.context().wrap_socket(raw, server_hostname="localhost"))
