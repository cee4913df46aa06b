"""The virtual modem, as software for telephone modems talks to one: the dialogue of a session, the
result codes of each refusal, and the two ways to log in."""

import socket
import time
import unittest

from accounts import AWAY, FIRST_ID, HERE, KEPT, NAME, SECRET, UNKNOWN, Served, agent_row
from cencd import connect, imei_of, read_exactly


class Line:
    """One TCP connection to the modem."""

    def __init__(self, port, inside=None):
        self.socket = inside or connect(port)

    def close(self):
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def expect(self, text):
        got = b""
        while got != text.encode():
            got += read_exactly(self.socket, 1)
            if not text.encode().startswith(got):
                got += self.socket.recv(100, socket.MSG_DONTWAIT)
                raise AssertionError(f"the modem said {got!r}, not {text!r}")

    def command(self, text, result):
        """Without echo."""
        self.send(text + "\r")
        self.expect(f"\r\n{result}\r\n")


class VirtualModem(Served):
    def line(self, login=True):
        line = self.keep(Line(self.ports["modem"]))
        line.send("ATE0\r")
        line.expect("ATE0\r\r\nOK\r\n")
        if login:
            line.command(f"AT+LOGIN={NAME},{SECRET}", "OK")
        return line

    def call_and_escape(self, line):
        """Request and answer, then back to commands, with the device on the line."""
        line.command(f"ATDT{imei_of(HERE)}", "CONNECT 9600")
        line.send("request")
        self.assertEqual(self.here.receive(7), b"request")
        self.here.send(b"answer")
        line.expect("answer")
        time.sleep(1.1)  # the pause that belongs to the escape
        line.send("+++")
        self.assertEqual(self.here.receive(3), b"+++")
        line.expect("\r\nOK\r\n")

    def test_inside_tls(self):
        tls = self.make_certificate()
        server = self.serve("modem", tls=tls)
        line = Line(None, self.connect_tls(self.ports["modem"], tls))
        line.send("ATE0\r")
        line.expect("ATE0\r\r\nOK\r\n")
        line.command(f"AT+LOGIN={NAME},wrong", "ERROR")
        line.command(f"AT+LOGIN={NAME},{SECRET}", "OK")
        for _ in range(2):
            self.call_and_escape(line)
            line.command("ATH", "OK")
            server.wait_logged(msg="session finished", cause="hung_up")
        self.keep(Line(self.ports["modem"])).send("ATE0V1Q0\r")  # without TLS
        self.refused("agent", "malformed")

    def test_a_dialogue(self):
        server = self.serve("modem")
        line = self.line()
        for text in ("ATZ", "ATE0V1Q0X4&C1&D2S0=0", "AT+CBST=71,0,1"):
            line.send(text + "\r")
            line.expect((text + "\r" if text == "ATE0V1Q0X4&C1&D2S0=0" else "") + "\r\nOK\r\n")
        self.call_and_escape(line)
        self.here.send(b"meanwhile")
        line.command("ATO", "CONNECT 9600")
        line.expect("meanwhile")
        time.sleep(1.1)
        line.send("+++")
        line.expect("\r\nOK\r\n")
        line.command("ATH", "OK")
        server.wait_device(imei_of(HERE), "idle")
        server.wait_logged(msg="session finished", layer="agent", cause="hung_up", account=NAME)
        line.command(f"ATD{imei_of(HERE)}", "CONNECT 9600")
        self.here.close()
        line.expect("\r\nNO CARRIER\r\n")
        line.command(f"ATD{imei_of(HERE)}", "NO ANSWER")
        self.assertNotIn(SECRET, server.log())

    def test_result_codes(self):
        self.serve("modem")
        line = self.line(login=False)
        line.command(f"ATD{imei_of(HERE)}", "NO DIALTONE")
        line.command(f"AT+LOGIN={NAME},wrong", "ERROR")
        line.command(f"AT+LOGIN={NAME},{SECRET}", "OK")
        line.command(f"ATD{imei_of(UNKNOWN)}", "NO CARRIER")
        line.command(f"ATD{imei_of(AWAY)}", "NO ANSWER")
        line.command(f"ATD{imei_of(KEPT)}", "NO DIALTONE")
        other = self.line()
        other.command(f"ATD{imei_of(HERE)}", "CONNECT 9600")
        line.command(f"ATD{imei_of(HERE)}", "BUSY")
        line.send("ATV0\r")
        line.expect("0\r")
        line.send(f"ATD{imei_of(HERE)}\r")
        line.expect("7\r")

    def test_who_waits_is_connected(self):
        server = self.serve("modem", wait_s=600)
        first, second = self.line(), self.line()
        first.command(f"ATD{imei_of(HERE)}", "CONNECT 9600")
        second.send(f"ATD{imei_of(HERE)}\r")
        server.wait_logged(msg="agent waits")
        first.close()
        second.expect("\r\nCONNECT 9600\r\n")
        second.send("request")
        self.assertEqual(self.here.receive(7), b"request")


class ByAddress(VirtualModem):
    """The account lists the agent's address: no line is typed."""

    agents = [agent_row(FIRST_ID, NAME, None, sources=["127.0.0.0/8"])]
    test_inside_tls = None

    def test_a_dialogue(self):
        server = self.serve("modem", login="")
        line = self.line(login=False)
        line.command(f"ATD{imei_of(HERE)}", "CONNECT 9600")
        server.wait_logged(msg="session started", account=NAME, path="modem")
        line.send("request")
        self.assertEqual(self.here.receive(7), b"request")

    def test_result_codes(self):
        self.serve("modem", login="")
        self.line(login=False).command(f"ATD{imei_of(KEPT)}", "NO DIALTONE")

    def test_who_waits_is_connected(self):
        """A direct port asks for nothing either."""
        server = self.serve("modem")
        agent = self.agent(self.here)
        agent.sendall(b"request")
        self.assertEqual(self.here.receive(7), b"request")
        server.wait_logged(msg="session started", account=NAME, path="direct_port")


if __name__ == "__main__":
    unittest.main()
