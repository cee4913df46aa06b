"""What head-end systems answered to registrations, when the disk fails in the middle."""

import contextlib
import json
import pathlib
import resource
import sqlite3
import subprocess

import grpc

import cencd
import segments
from cencd import LIMIT_S, imei_of
from northbound import NorthboundTest, pb

KEY = pb.DeviceKey(scope="default", serial=imei_of(1))


class AnswersTest(NorthboundTest):
    @staticmethod
    def state(server):
        return pathlib.Path(server.config["server"]["state_dir"])

    def ctl(self, server, *words):
        subprocess.run([cencd.PROGRAM.with_name("cencctl"), *words, "--socket",
                        self.state(server) / "admin.sock"],
                       check=True, capture_output=True, timeout=LIMIT_S)

    def ledger(self, server, text):
        path = self.state(server) / "northbound.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=LIMIT_S)) as ledger, ledger:
            return ledger.execute(text).fetchall()

    def registration(self, stub):
        return self.ask(stub.GetDevice, pb.GetDeviceRequest(device=KEY)).device.registration

    def test_an_answer_outlasts_a_disk_that_fails(self):
        """A device that has its answer moves to another project, and the ledger can't be written just
        then. The second attempt wrote the answer anew, without its id and who had given it."""
        server = self.server()
        stub = self.stub(server)
        self.modem(server, 1)
        self.ctl(server, "project", "add", "north")
        self.ask(stub.ReportRegistration,
                 pb.ReportRegistrationRequest(device=KEY, accepted_id="M 17"))
        before = self.registration(stub)
        # the last statement of each transaction of registrations fails
        self.ledger(server, "CREATE TRIGGER full BEFORE UPDATE ON follows"
                            " BEGIN SELECT RAISE(ABORT, 'full'); END")
        self.ctl(server, "device", "move", imei_of(1), "--project", "north")
        moved = server.stats()["journal"]["committed"]
        server.wait(lambda: server.metric("cencd_northbound_ledger_failures_total") >= 2,
                    "it failed, and failed again")
        self.ledger(server, "DROP TRIGGER full")
        server.wait(lambda: self.ledger(server, "SELECT sequence FROM follows")[0][0] >=
                    moved, "it is written")
        self.assertEqual(self.registration(stub), before)
        self.assertEqual((before.id, before.consumer), ("M 17", "hes"))

    def test_a_disk_that_takes_nothing(self):
        """An answer that can't be recorded is refused at once: it was left without one until the disk
        had room again, or until the client's deadline."""
        server = self.server()
        stub = self.stub(server)
        self.modem(server, 1)
        answer = pb.ReportRegistrationRequest(device=KEY, accepted_id="M 17")
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, hard))
        self.modem(server, 2, register=False)
        server.wait(lambda: server.metric("cencd_journal_durable") == 0, "the disk takes nothing")
        with self.fails(grpc.StatusCode.UNAVAILABLE) as caught:
            self.ask(stub.ReportRegistration, answer)
        self.assertEqual(caught.exception.details(), "the disk takes no events")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        server.wait(lambda: server.metric("cencd_journal_durable") == 1, "it does again")
        self.ask(stub.ReportRegistration, answer)

    def test_an_answer_goes_with_its_device(self):
        """The device was removed while the northbound was off, and retention was faster (here: another
        journal in its place). When it came again, it was known by its old answer, and not announced."""
        server = self.server()
        stub = self.stub(server)
        self.modem(server, 1).close()
        self.ask(stub.ReportRegistration,
                 pb.ReportRegistrationRequest(device=KEY, accepted_id="M 17"))
        server.stop()
        self.enable(server, False)
        server.start()
        self.ctl(server, "device", "remove", imei_of(1))
        with contextlib.closing(sqlite3.connect(self.state(server) / "directory.sqlite")) as store:
            server.wait(lambda: store.execute("SELECT sum(removed) FROM device").fetchone() == (1,),
                        "the store has it, too")
        server.stop()
        segments.replace(self.state(server) / "journal", 1001)
        self.enable(server, True)
        server.start()
        self.modem(server, 1)
        stub = self.stub(server)
        waiting = stub.WatchRegistrations(pb.WatchRegistrationsRequest(), metadata=self.bearer(),
                                          timeout=LIMIT_S)
        self.assertEqual(next(waiting).devices[0].device.serial, imei_of(1))
        waiting.cancel()
        self.assertEqual(self.registration(stub).state, pb.REGISTRATION_STATE_WAITING)

    @staticmethod
    def enable(server, enabled):
        server.config["northbound"]["enabled"] = enabled
        server.config_path.write_text(json.dumps(server.config))
