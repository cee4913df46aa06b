"""The head-end's door as a Unix socket: who has a token and may open the file gets in, and what is in
the way of the file."""

import os
import pathlib
import socket
import stat

import grpc

from cencd import LIMIT_S, imei_of, run, wait_until
from northbound import NorthboundTest, pb

Code = grpc.StatusCode


def refuses(path):
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return True
    return False


class UnixTest(NorthboundTest):
    def on_socket(self, name, **keywords):
        self.path = pathlib.Path(os.environ["TMPDIR"]) / name
        return self.server(northbound={"address": f"unix:{self.path}"}, **keywords)

    def test_a_head_end_on_this_machine(self):
        server = self.on_socket("calls.sock")
        found = self.path.stat()
        self.assertTrue(stat.S_ISSOCK(found.st_mode))
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o660)
        stub = self.stub(server)
        stream = self.stream(stub)
        self.modem(server, 1)
        stream.wait(lambda s: "connected" in s.kinds(), "events")
        key = pb.DeviceKey(scope="default", serial=imei_of(1))
        device = self.ask(stub.GetDevice, pb.GetDeviceRequest(device=key)).device
        self.assertEqual(device.status.presence, pb.PRESENCE_IDLE)
        self.ask(stub.ReportRegistration, pb.ReportRegistrationRequest(device=key, accepted_id="1"))
        stream.wait(lambda s: "registration_reported" in s.kinds(), "the event")
        actor = stream.events[stream.kinds().index("registration_reported")].actor
        self.assertEqual(actor.name, "hes")
        self.assertFalse(actor.HasField("peer"))
        with self.fails(Code.UNAUTHENTICATED):
            stub.ListDevices(pb.ListDevicesRequest(), metadata=self.bearer("wrong" * 8), timeout=LIMIT_S)
        server.stop()
        self.assertEqual(stream.wait_ended(), Code.UNAVAILABLE)
        self.assertFalse(self.path.exists())

    def test_a_file_that_a_killed_server_left(self):
        server = self.on_socket("left.sock")
        server.kill()
        # its ring lets go of the socket a moment later
        wait_until(lambda: refuses(self.path), "nobody answers any more")
        self.assertTrue(self.path.exists())
        server.start()
        self.ask(self.stub(server).ListDevices, pb.ListDevicesRequest())

    def test_another_file_stays(self):
        server = self.on_socket("file.sock", start=False)
        self.path.write_text("somebody's")
        code, _, text = run("--config", server.config_path)
        self.assertEqual(code, 69)
        self.assertIn(f"northbound.address: can't listen on {self.path}: File exists", text)
        self.assertEqual(self.path.read_text(), "somebody's")

    def test_another_server_stays(self):
        server = self.on_socket("held.sock", start=False)
        with socket.socket(socket.AF_UNIX) as holder:
            holder.bind(str(self.path))
            holder.listen()
            code, _, text = run("--config", server.config_path)
        self.assertEqual(code, 69)
        self.assertIn(f"northbound.address: can't listen on {self.path}: Address already in use",
                      text)
