"""The head-end's door over TLS: tokens beyond this machine, certificates in their place, and nothing
in clear text."""

import os
import pathlib
import socket
import ssl
import subprocess
import time

import grpc

import test_redis_tls
from cencd import LIMIT_S, free_ports, is_closed, run
from northbound import TOKEN, NorthboundTest, pb, pb_grpc

Code = grpc.StatusCode


class TlsTest(NorthboundTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(os.environ["TMPDIR"])
        cls.authority = test_redis_tls.Authority(folder, "authority")
        cls.stranger = test_redis_tls.Authority(folder, "stranger")
        cls.own = cls.authority.sign("cencd", "DNS:localhost,IP:127.0.0.1")
        cls.hes = cls.authority.sign("hes", "DNS:hes.example")
        cls.other = cls.authority.sign("other", "DNS:other.example")
        cls.false = cls.stranger.sign("hes", "DNS:hes.example")

    def secure(self, **tls):
        certificate, key = self.own
        return self.server(northbound={"tls": {
            "certificate": certificate, "key": key, **tls}}, consumers=[
                {"name": "hes", "projects": "all", "token_sha256": self.hash_of(TOKEN),
                 **({"certificate_subject": "CN=hes"} if "client_ca" in tls else {})}])

    def secure_stub(self, server, authority=None, certificate=None):
        """certificate: paths of the client's own and of its key."""
        own = [pathlib.Path(path).read_bytes() for path in certificate or ()]
        credentials = grpc.ssl_channel_credentials(
            (authority or self.authority).certificate.read_bytes(), *reversed(own))
        return pb_grpc.NorthboundStub(self.channel(server, credentials=credentials))

    def test_a_token_over_tls(self):
        server = self.secure()
        stream = self.stream(self.secure_stub(server))
        stream.wait(lambda s: s.events, "an event")
        self.modem(server, 1)
        stream.wait(lambda s: "connected" in s.kinds(), "events go on")
        stub = self.secure_stub(server, authority=self.stranger)
        with self.fails(Code.UNAVAILABLE):
            self.ask(stub.ListDevices, pb.ListDevicesRequest())

    def test_a_certificate_in_place_of_a_token(self):
        server = self.secure(client_ca=str(self.authority.certificate))
        stub = self.secure_stub(server, certificate=self.hes)
        self.assertEqual(len(stub.ListDevices(pb.ListDevicesRequest(), timeout=LIMIT_S).devices), 0)
        # a good one that nobody has, and none: a token does as well
        for certificate, words in (
                (self.other, 'no consumer has the certificate\'s subject "CN=other"'),
                (None, "there is no token")):
            stub = self.secure_stub(server, certificate=certificate)
            with self.fails(Code.UNAUTHENTICATED) as caught:
                stub.ListDevices(pb.ListDevicesRequest(), timeout=LIMIT_S)
            self.assertIn(words, caught.exception.details())
            self.ask(stub.ListDevices, pb.ListDevicesRequest())
        # a false one isn't as good as none
        stub = self.secure_stub(server, certificate=self.false)
        with self.fails(Code.UNAVAILABLE):
            self.ask(stub.ListDevices, pb.ListDevicesRequest())
        server.wait_closed("consumer", "tls")

    def test_an_expiry_is_seen_to_come(self):
        """The certificates here are good for two days."""
        server = self.secure()
        certificate, _ = self.own
        server.wait_logged(module="tls", level="warn", section="northbound.tls", file=certificate)
        end = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-enddate"],
                             check=True, capture_output=True, text=True).stdout
        expires = ssl.cert_time_to_seconds(end.strip().removeprefix("notAfter="))
        self.assertEqual(server.metrics()[
            'cencd_certificate_expires_timestamp_seconds{section="northbound.tls"}'], expires)
        row, = server.stats()["certificates"]
        self.assertEqual((row["section"], row["file"]), ("northbound.tls", certificate))
        self.assertEqual(row["expires"], time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(expires)))

    def test_clear_text_is_no_tls(self):
        server = self.secure()
        with self.fails(Code.UNAVAILABLE):
            self.ask(self.stub(server).ListDevices, pb.ListDevicesRequest())
        port = int(server.north.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertTrue(is_closed(connection))

    def test_a_bad_certificate_is_told_at_the_start(self):
        certificate, _ = self.own
        _, key = self.hes
        server = self.server(start=False, northbound={"tls": {
            "certificate": certificate, "key": key}})
        code, _, text = run("--config", server.config_path)
        self.assertNotEqual(code, 0)
        self.assertIn("northbound.tls", text)

    def test_a_port_that_is_taken(self):
        port = free_ports(1)
        with socket.create_server(("127.0.0.1", port)):
            server = self.server(start=False, northbound={"address": f"127.0.0.1:{port}"})
            code, _, text = run("--config", server.config_path)
        self.assertEqual(code, 69)
        self.assertIn("northbound.address", text)
