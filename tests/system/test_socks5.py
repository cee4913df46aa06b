"""SOCKS5 with the programs that people have: curl, ncat, proxychains4. What each is told when it
doesn't get its device."""

import contextlib
import pathlib
import os
import select
import socket
import ssl
import unittest

from accounts import AWAY, HERE, KEPT, NAME, SECRET, UNKNOWN, Served, name_of, run
from cencd import Task, connect, imei_of, read_exactly


class Socks5(Served):
    def curl(self, host, name=NAME, password=SECRET):
        return run("curl", "-sS", "--socks5-hostname",
                   f"{name}:{password}@127.0.0.1:{self.ports['socks5']}", f"http://{host}/")

    def refuse(self, host, reply, layer, cause):
        """curl shows the number of the reply."""
        code, _, errors = self.curl(host)
        self.assertEqual(code, 97, errors)
        self.assertIn(f"({reply})", errors)
        self.refused(layer, cause)

    def test_curl(self):
        server = self.serve("socks5")
        request = self.answer_http()
        self.assertEqual(self.curl(name_of(HERE)), (0, "meter!", ""))
        self.assertIn(b"GET / HTTP/1.1\r\n", request.result())
        finished = server.wait_logged(msg="session finished")[0]
        self.assertEqual(finished["path"], "socks5")
        self.assertEqual(finished["account"], NAME)
        self.assertEqual(finished["serial"], imei_of(HERE))
        self.assertNotIn(SECRET, server.log())
        server.stop()
        for kind in "access_started", "access_finished":
            event, = self.recorded(kind)
            self.assertEqual((event["agent"], event["path"], event["serial"], event["session"]),
                             (NAME, "ACCESS_PATH_SOCKS5", imei_of(HERE), "1"))
        self.assertEqual((event["bytes_to_agent"], event["reason"]["layer"]), ("63", "agent"))

    def test_what_curl_is_told(self):
        self.serve("socks5")
        code, _, errors = self.curl(name_of(HERE), password="wrong")
        self.assertEqual(code, 97)
        self.assertIn("rejected", errors)
        self.refused("agent", "login")
        self.refuse(name_of(UNKNOWN), 4, "session", "unknown")
        self.refuse(name_of(AWAY), 6, "session", "offline")
        self.refuse(name_of(KEPT), 2, "session", "not_granted")
        self.refuse("10000001", 8, "session", "no_serial")
        self.assertIn("SERIAL.meter", self.server.log())
        holder = self.keep(connect(self.ports["socks5"]))
        host = name_of(HERE).encode()
        holder.sendall(b"\5\1\2\1\6" + NAME.encode() + bytes([len(SECRET)]) + SECRET.encode() +
                       b"\5\1\0\3" + bytes([len(host)]) + host + b"\0\1")
        self.server.wait_device(imei_of(HERE), "in session")
        self.refuse(name_of(HERE), 5, "session", "busy")
        line = self.server.wait_logged(msg="agent refused", cause="busy")[0]
        self.assertEqual(line["holder"], NAME)
        self.server.stop()
        refused = {(event["reason"]["cause"], event["serial"] or event.get("wanted")):
                   event.get("agent") for event in self.recorded("access_refused")}
        self.assertEqual(refused, {("no_serial", "0.152.150.129"): NAME,
                                   ("unknown", imei_of(UNKNOWN)): NAME,
                                   ("offline", imei_of(AWAY)): NAME,
                                   ("not_granted", imei_of(KEPT)): NAME,
                                   ("busy", imei_of(HERE)): NAME})

    def test_ncat(self):
        self.serve("socks5")
        code, output, errors = run(
            "ncat", "--proxy", f"127.0.0.1:{self.ports['socks5']}", "--proxy-type", "socks5",
            "--proxy-auth", f"{NAME}:wrong", "--proxy-dns", "remote", name_of(HERE), "1", input="")
        self.assertNotEqual(code, 0, output + errors)
        self.refused("agent", "login")
        request = self.answer_http()
        code, output, errors = run(
            "ncat", "--proxy", f"127.0.0.1:{self.ports['socks5']}", "--proxy-type", "socks5",
            "--proxy-auth", f"{NAME}:{SECRET}", "--proxy-dns", "remote", name_of(HERE), "1",
            input="GET / HTTP/1.0\r\n\r\n")
        self.assertIn("meter!", output, errors)
        self.assertEqual(request.result(), b"GET / HTTP/1.0\r\n\r\n")

    def bridge(self, tls):
        """What stunnel does for a program that speaks no TLS: the port of a bridge for one connection."""
        listening = self.keep(socket.create_server(("127.0.0.1", 0)))

        def serve():
            plain, _ = listening.accept()
            inside = self.connect_tls(self.ports["socks5"], tls)
            inside.setblocking(False)  # it may have something to read that isn't data
            with plain, inside:
                while True:
                    ready = [inside] if inside.pending() else select.select([plain, inside], [], [])[0]
                    for source, target in ((plain, inside), (inside, plain)):
                        with contextlib.suppress(ssl.SSLWantReadError):
                            if source in ready:
                                if not (data := source.recv(65536)):
                                    return
                                target.sendall(data)
        return listening.getsockname()[1], Task(serve)

    def test_inside_tls(self):
        """curl knows socks5h in clear text only: a bridge puts TLS around it."""
        tls = self.make_certificate()
        self.serve("socks5", tls=tls)
        port, _ = self.bridge(tls)
        request = self.answer_http()
        code, output, errors = run("curl", "-sS", "-x", f"socks5h://{NAME}:{SECRET}@127.0.0.1:{port}",
                                   f"http://{name_of(HERE)}/")
        self.assertEqual((code, output), (0, "meter!"), errors)
        self.assertIn(b"GET / ", request.result())
        inside = self.connect_tls(self.ports["socks5"], tls)
        inside.sendall(b"\5\1\2" + bytes([1, len(NAME)]) + NAME.encode() + b"\5wrong")
        self.assertEqual(read_exactly(inside, 3), b"\5\2\1")  # the status follows, not 0
        self.assertNotEqual(read_exactly(inside, 1), b"\0")
        plain = self.keep(connect(self.ports["socks5"]))
        plain.sendall(b"\5\1\2" + b"\1" * 20)
        self.refused("agent", "malformed")

    def test_proxychains4(self):
        self.serve("socks5")
        path = pathlib.Path(os.environ["TMPDIR"]) / "proxychains.conf"
        path.write_text("strict_chain\nquiet_mode\nproxy_dns\n[ProxyList]\n"
                        f"socks5 127.0.0.1 {self.ports['socks5']} {NAME} {SECRET}\n")
        request = self.answer_http()
        code, output, errors = run("proxychains4", "-f", str(path), "curl", "-sS",
                                   f"http://{name_of(HERE)}/")
        self.assertEqual((code, output), (0, "meter!"), errors)
        self.assertIn(b"GET / ", request.result())


if __name__ == "__main__":
    unittest.main()
