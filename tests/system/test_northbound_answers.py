"""What head-end systems answered to registrations, when the disk fails in the middle."""

import contextlib
import pathlib
import sqlite3
import subprocess

import cencd
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
