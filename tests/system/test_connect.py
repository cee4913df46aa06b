"""HTTP CONNECT with curl and ncat, and the status that each refusal has."""

import unittest

from accounts import AWAY, HERE, KEPT, NAME, SECRET, UNKNOWN, Served, name_of, run
from cencd import imei_of


class Connect(Served):
    def curl(self, host, password=SECRET):
        """Exit code, output, and the proxy's status."""
        credentials = f"{NAME}:{password}@" if password else ""
        code, output, _ = run("curl", "-s", "-p", "-x",
                              f"http://{credentials}127.0.0.1:{self.ports['connect']}",
                              "-w", " %{http_connect}", f"http://{host}/")
        body, _, status = output.rpartition(" ")
        return code, body, int(status)

    def test_curl(self):
        server = self.serve("connect")
        request = self.answer_http()
        self.assertEqual(self.curl(name_of(HERE)), (0, "meter!", 200))
        self.assertIn(b"GET / HTTP/1.1\r\n", request.result())
        finished = server.wait_logged(msg="session finished")[0]
        self.assertEqual(finished["path"], "connect")
        self.assertNotIn(SECRET, server.log())

    def test_what_curl_is_told(self):
        self.serve("connect")
        for host, password, status in ((name_of(HERE), "wrong", 407), (name_of(HERE), "", 407),
                                       (name_of(UNKNOWN), SECRET, 404),
                                       (name_of(AWAY), SECRET, 503), (name_of(KEPT), SECRET, 403),
                                       ("10000001", SECRET, 400)):
            with self.subTest(status=status, host=host):
                code, _, got = self.curl(host, password)
                self.assertEqual(got, status)
                self.assertEqual(code, 56)
        code, output, _ = run("curl", "-s", "-w", "%{http_code}",
                              f"http://127.0.0.1:{self.ports['connect']}/")
        self.assertEqual(code, 0)
        self.assertTrue(output.endswith("405"), output)

    def test_busy_is_told_with_the_holder(self):
        self.serve("connect")
        holder = self.keep(self.connection(self.ports["connect"]))
        holder.sendall(f"CONNECT {name_of(HERE)}:1 HTTP/1.1\r\nProxy-Authorization: Basic "
                       "cGV0cm92OlF1YWdnYTdPa2FwaQ==\r\n\r\n".encode())
        self.server.wait_device(imei_of(HERE), "in session")
        self.assertEqual(self.curl(name_of(HERE))[2], 409)
        code, output, errors = run(
            "ncat", "-v", "--proxy", f"127.0.0.1:{self.ports['connect']}", "--proxy-type", "http",
            "--proxy-auth", f"{NAME}:{SECRET}", "--proxy-dns", "remote", name_of(HERE), "1",
            input="")
        self.assertNotEqual(code, 0, output + errors)
        self.server.wait_logged(2, msg="agent refused", cause="busy", holder=NAME)

    def test_ncat(self):
        self.serve("connect")
        request = self.answer_http()
        _, output, errors = run(
            "ncat", "--proxy", f"127.0.0.1:{self.ports['connect']}", "--proxy-type", "http",
            "--proxy-auth", f"{NAME}:{SECRET}", "--proxy-dns", "remote", name_of(HERE), "1",
            input="GET / HTTP/1.0\r\n\r\n")
        self.assertIn("meter!", output, errors)
        self.assertEqual(request.result(), b"GET / HTTP/1.0\r\n\r\n")

    def test_inside_tls(self):
        tls = self.make_certificate()
        self.serve("connect", tls=tls)
        proxy = f"https://{NAME}:{SECRET}@127.0.0.1:{self.ports['connect']}"
        arguments = ("curl", "-sS", "-p", "-x", proxy, "--proxy-cacert", tls["certificate"])
        for _ in range(3):
            self.server.wait_device(imei_of(HERE))  # the one before has ended
            request = self.answer_http()
            self.assertEqual(run(*arguments, f"http://{name_of(HERE)}/"), (0, "meter!", ""))
            self.assertIn(b"GET / ", request.result())
        self.assertIn("404", run(*arguments, f"http://{name_of(UNKNOWN)}/")[2])
        plain = self.keep(self.connection(self.ports["connect"]))
        plain.sendall(b"CONNECT a HTTP/1.1\r\n\r\n")
        self.refused("agent", "malformed")

    def test_a_head_one_byte_at_a_time(self):
        self.serve("connect")
        slow = self.keep(self.connection(self.ports["connect"]))
        for byte in (f"CONNECT {name_of(HERE)} HTTP/1.1\r\nProxy-Authorization: Basic "
                     "cGV0cm92OlF1YWdnYTdPa2FwaQ==\r\n\r\n~").encode():
            slow.sendall(bytes([byte]))
        self.assertEqual(self.here.receive(1), b"~")
        self.here.send(b"!")
        self.assertTrue(slow.recv(100).startswith(b"HTTP/1.1 200 "))


if __name__ == "__main__":
    unittest.main()
