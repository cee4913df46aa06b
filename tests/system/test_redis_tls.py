"""Redis over TLS, with a redis-server of the test's own: who it is is verified, by CA and by name;
what goes wrong is told in the log, and the password nowhere."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import unittest

import test_redis
from cencd import SystemTest, free_ports, run

PASSWORD = "Bilby-2-Quoll"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A CA in a folder, and what it signs."""

    def __init__(self, folder, name):
        self.folder = folder / name
        self.folder.mkdir()
        self.certificate = self.folder / "ca.pem"
        self.key = self.folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.certificate, "-subj", f"/CN={name}", "-days", 2)

    def sign(self, name, alternatives):
        """Paths of certificate and key."""
        base = self.folder / name
        base.with_suffix(".ext").write_text(f"subjectAltName={alternatives}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", base.with_suffix(".key"), "-out", base.with_suffix(".csr"),
                "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", base.with_suffix(".csr"), "-CA", self.certificate,
                "-CAkey", self.key, "-CAcreateserial", "-days", 2,
                "-extfile", base.with_suffix(".ext"), "-out", base.with_suffix(".pem"))
        return str(base.with_suffix(".pem")), str(base.with_suffix(".key"))


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class RedisTlsTest(SystemTest):
    expected = test_redis.RedisTest.expected
    present = test_redis.RedisTest.present
    same = test_redis.RedisTest.same
    wait_same = test_redis.RedisTest.wait_same

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(os.environ["TMPDIR"])
        cls.folder = folder
        cls.authority = Authority(folder, "authority")
        cls.stranger = Authority(folder, "stranger")
        cls.own = cls.authority.sign("redis", "DNS:localhost,IP:127.0.0.1")
        cls.client = cls.authority.sign("cencd", "DNS:cencd.example")

    def redis(self, *options, clients="no"):
        """Serves clear bytes, too, for the test itself."""
        port = free_ports(1)
        certificate, key = self.own
        redis = self.keep(test_redis.Redis(
            "--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key,
            "--tls-ca-cert-file", str(self.authority.certificate), "--tls-auth-clients", clients,
            *options))
        redis.tls_port = port
        return redis

    def server(self, redis, host="localhost", port=None, tls=(), start=True, **settings):
        tls = {"ca": str(self.authority.certificate), **dict(tls)}
        return self.cencd({
            "server": {"state_dir": str(self.folder / f"state-{redis.port}")},
            "redis": {"url": f"rediss://{host}:{port or redis.tls_port}/0", "tls": tls, **settings},
        }, start=start)

    def problem(self, server, text):
        line = server.wait_logged(module="redis", reason="TLS")[0]
        self.assertIn(text, json.dumps(line))
        self.assertEqual(server.stats()["redis"]["up"], False)

    def test_user_with_password_and_certificate(self):
        redis = self.redis("--user", "cencd", "on", f">{PASSWORD}", "~cencd:*", "+@all",
                           clients="yes")
        path = redis.folder / "password"
        path.write_text(PASSWORD + "\n")
        certificate, key = self.client
        server = self.server(redis, tls={"certificate": certificate, "key": key}, user="cencd",
                             password_file=str(path))
        self.modem(server, 1)
        self.wait_same(server, redis)
        redis.kill()
        server.wait_logged(module="redis", reason="closed")
        redis.start()
        self.modem(server, 2)
        self.wait_same(server, redis)
        for text in (server.log(), json.dumps(server.stats()), server.get("/metrics")[1]):
            self.assertNotIn(PASSWORD, text)

    def test_address(self):
        redis = self.redis()
        server = self.server(redis, host="127.0.0.1")
        self.modem(server, 1)
        self.wait_same(server, redis)

    def test_other_authority(self):
        redis = self.redis()
        server = self.server(redis, tls={"ca": str(self.stranger.certificate)})
        self.problem(server, "certificate verify failed")
        self.assertEqual(redis("KEYS", "*"), [])
        self.assertEqual(server.get("/readyz")[0], 200)

    def test_other_name(self):
        redis = self.redis()
        server = self.server(redis, tls={"server_name": "elsewhere.example"})
        self.problem(server, "mismatch")
        self.assertEqual(redis("KEYS", "*"), [])

    def test_unverified(self):
        redis = self.redis()
        server = self.server(redis, tls={"ca": str(self.stranger.certificate), "verify": False})
        self.modem(server, 1)
        self.wait_same(server, redis)

    def test_certificate_is_missing(self):
        redis = self.redis(clients="yes")
        self.problem(self.server(redis), "certificate required")

    def test_no_tls_there(self):
        """What answers speaks no TLS."""
        redis = self.redis()
        with socket.create_server(("127.0.0.1", free_ports(1))) as listener:
            server = self.server(redis, host="127.0.0.1", port=listener.getsockname()[1])
            connection = listener.accept()[0]
            with connection:
                connection.sendall(b"-ERR there is no TLS here\r\n")
                self.problem(server, "wrong version number")

    def test_no_such_host(self):
        redis = self.redis()
        server = self.server(redis, host="nowhere.invalid")
        line = server.wait_logged(module="redis", reason="unreachable")[0]
        self.assertRegex(json.dumps(line), "no such host|name servers|looked up")

    def test_files_that_cannot_be(self):
        redis = self.redis()
        certificate, _ = self.client
        _, other_key = self.own
        server = self.server(redis, tls={"certificate": certificate, "key": other_key}, start=False)
        code, _, errors = run("--config", str(server.config_path))
        self.assertNotEqual(code, 0)
        self.assertIn("key doesn't suit the certificate", errors)
        server = self.server(redis, tls={"ca": "/nowhere/ca.pem"}, start=False)
        code, _, errors = run("--check-config", "--config", str(server.config_path))
        self.assertNotEqual(code, 0)
        self.assertRegex(errors, "ca: .*/nowhere/ca.pem.* No such file")


if __name__ == "__main__":
    unittest.main()
