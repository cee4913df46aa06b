"""Registration plugins: told of every device, at least once and in order, whatever happens to the
pipe, the file and the server; and one that hangs harms nobody."""

import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import threading

import cencd
import segments
from cencd import imei_of, wait_until
from northbound import NorthboundTest

MOODS = str(pathlib.Path(os.environ["CENCD_BUILD"]) / "tests" / "plugin_moods.so")
LAG = 'cencd_registration_plugin_lag{plugin="%s"}'
TOLD = 'cencd_registration_plugin_told_total{plugin="%s"}'
RETRIES = 'cencd_registration_plugin_retries_total{plugin="%s"}'
REFUSED = 'cencd_registration_plugin_refused_total{plugin="%s"}'


class Reader:
    """Reads lines from a pipe until it goes away."""

    def __init__(self, path, rows):
        self.rows = rows
        self.file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.gone = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        text = b""
        while not self.gone.wait(0.01):
            try:
                text += os.read(self.file, 65536)
            except BlockingIOError:
                continue
            *lines, text = text.split(b"\n")
            self.rows += [json.loads(line) for line in lines]

    def close(self):
        if self.file >= 0:
            self.gone.set()
            self.thread.join()
            os.close(self.file)
            self.file = -1


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def serials(rows, what="new"):
    return [row["serial"] for row in rows if row["what"] == what]


BODIES = {"deviceAdded", "connected", "disconnected", "deviceChanged", "deviceMoved",
          "deviceRemoved"}


def on_disk(server):
    """What the journal has that is to be told: (sequence, serial, body)."""
    journal = pathlib.Path(server.config["server"]["state_dir"]) / "journal"
    dump = subprocess.run([cencd.PROGRAM.with_name("cencctl"), "journal", "dump", journal],
                          check=True, capture_output=True, text=True).stdout
    events = [json.loads(line) for line in dump.splitlines()]
    return [(int(event["sequence"]), event["device"]["serial"], body) for event in events
            for body in BODIES & event.keys()]


class RegistrationTest(NorthboundTest):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(os.environ["TMPDIR"]) / self.id().rpartition(".")[2]
        self.folder.mkdir()

    def with_plugins(self, *plugins, **keywords):
        return self.server(plugins={"load": [MOODS]}, registration={"plugins": plugins},
                           **keywords)

    def caught_up(self, server, plugin="jsonl"):
        server.wait(lambda: server.metric(LAG % plugin) == 0, "it has been told all")

    def test_pipe_through_everything(self):
        path = self.folder / "pipe"
        os.mkfifo(path)
        rows = []
        server = self.with_plugins({"jsonl": {"path": str(path)}})
        reader = self.keep(Reader(path, rows))
        modem = self.modem(server, 0)
        modem.close()
        wait_until(lambda: "disconnected" in [row["what"] for row in rows], "it came and left")
        self.assertEqual([row["what"] for row in rows][:4],
                         ["complete", "new", "connected", "disconnected"])
        self.assertEqual(rows[1]["kind"], "irz-modem")
        self.assertGreater(rows[2]["direct_port"], 0)
        self.assertEqual(rows[3]["reason"], "peer closed")
        self.caught_up(server)
        reader.close()
        self.modem(server, 1)
        server.wait(lambda: server.metric(RETRIES % "jsonl") > 0, "nobody reads")
        self.modem(server, 2)
        # an event that isn't on the disk yet may be lost by the kill, and is nobody's then
        wait_until(lambda: (imei_of(2), "connected") in [event[1:] for event in on_disk(server)],
                   "it is on the disk")
        server.kill()
        server.start()
        self.modem(server, 3)
        reader = self.keep(Reader(path, rows))
        wait_until(lambda: imei_of(3) in serials(rows), "all are told", lambda: rows)
        self.caught_up(server)
        server.kill()
        server.start()
        self.modem(server, 4)
        wait_until(lambda: imei_of(4) in serials(rows), "and the last", lambda: rows)
        wait_until(lambda: {event[0] for event in on_disk(server)} <=
                   {row["sequence"] for row in rows}, "nothing of the journal is missing",
                   lambda: (on_disk(server), rows))
        self.check(rows, 5)
        server.stop()

    def check(self, rows, devices):
        """In order, but for repeats after a kill; which say the same."""
        first = {}
        for row in rows:
            self.assertEqual(first.setdefault(row["sequence"], row), row)
        self.assertEqual(list(first), sorted(first))
        self.assertEqual(serials(first.values()), [imei_of(number) for number in range(devices)])

    def test_full_pipe(self):
        """What a stuck reader has no room for waits, and whole lines come out at last."""
        path = self.folder / "pipe"
        os.mkfifo(path)
        server = self.with_plugins({"jsonl": {"path": str(path)}})
        blocked = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        filler = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            while True:
                os.write(filler, b"1\n" * 100)
        except BlockingIOError:
            pass
        os.close(filler)
        self.modem(server, 1)
        server.wait(lambda: server.metric(RETRIES % "jsonl") > 0, "the pipe is full")
        rows = []
        self.keep(Reader(path, rows))
        os.close(blocked)
        wait_until(lambda: imei_of(1) in serials([row for row in rows if row != 1]), "it is told")

    def test_rotated_file(self):
        path = self.folder / "devices.jsonl"
        server = self.with_plugins({"jsonl": {"path": str(path)}})
        self.modem(server, 0)
        wait_until(lambda: serials(rows_of(path)) == [imei_of(0)], "the first is told")
        path.rename(self.folder / "devices.1")
        self.modem(server, 1)
        wait_until(lambda: imei_of(1) in serials(rows_of(path)), "a file was made anew")
        self.caught_up(server)
        self.check(rows_of(self.folder / "devices.1") + rows_of(path), 2)
        # where it left off is kept: nothing comes again
        told = len(rows_of(path))
        server.stop()
        server.start()
        self.modem(server, 2)
        wait_until(lambda: imei_of(2) in serials(rows_of(path)), "the third is told")
        sequences = [row["sequence"] for row in rows_of(path)[told:]]
        self.assertGreater(min(sequences), rows_of(path)[told - 1]["sequence"])

    def test_who_hangs_harms_nobody(self):
        path = self.folder / "devices.jsonl"
        server = self.with_plugins({"moods": {"mood": "hangs"}}, {"jsonl": {"path": str(path)}})
        for number in range(3):
            self.modem(server, number)
        wait_until(lambda: serials(rows_of(path)) == [imei_of(number) for number in range(3)],
                   "the other one is told")
        self.assertGreater(server.metric(LAG % "moods"), 0)
        self.assertEqual(server.metric(TOLD % "moods"), 0)
        server.stop()
        self.assertTrue(server.logged(msg="a plugin doesn't end; it is left behind"))

    def row(self, server, plugin):
        return next(row for row in server.stats()["northbound"]["plugins"] if row["name"] == plugin)

    def test_a_plugin_that_comes_later(self):
        """It is told of the devices that are there, once, then of what happens."""
        path = self.folder / "devices.jsonl"
        server = self.with_plugins()
        for number in range(3):
            self.modem(server, number)
        server.wait(lambda: server.metric("cencd_devices") == 3, "they are there")
        server.stop()
        server.config["registration"]["plugins"] = [{"jsonl": {"path": str(path)}}]
        server.config_path.write_text(json.dumps(server.config))
        server.start()
        wait_until(lambda: len(rows_of(path)) >= 4, "it is told of them")
        *rows, complete = rows_of(path)
        self.assertEqual(sorted(serials(rows, "listed")), [imei_of(number) for number in range(3)])
        self.assertEqual(len(rows), 3)
        self.assertEqual((complete["what"], complete["sequence"], "serial" in complete),
                         ("complete", rows[0]["sequence"], False))
        self.assertEqual(len({row["sequence"] for row in rows}), 1)
        self.assertNotIn("online", rows[0])
        self.assertEqual({row["listener"] for row in rows}, {"irz"})
        self.modem(server, 3)
        wait_until(lambda: imei_of(3) in serials(rows_of(path), "connected"), "and of a new one")
        new = rows_of(path)[4:]
        self.assertEqual([row["what"] for row in new], ["new", "connected"])
        self.assertGreater(new[0]["sequence"], rows[0]["sequence"])
        self.caught_up(server)
        self.assertEqual(self.row(server, "jsonl")["state"], "running")
        server.stop()
        server.start()
        self.modem(server, 4)
        wait_until(lambda: imei_of(4) in serials(rows_of(path)), "it goes on where it was")
        self.assertEqual(len(serials(rows_of(path), "listed")), 3)

    def test_a_device_that_was_removed_meanwhile(self):
        """Retention was faster than the plugin: here, by another journal in its place. It was never
        told `gone`; now the list that it is told has an end, and whatever isn't in it is gone."""
        path = self.folder / "devices.jsonl"
        server = self.with_plugins({"jsonl": {"path": str(path)}})
        modems = [self.modem(server, number) for number in range(2)]
        wait_until(lambda: imei_of(1) in serials(rows_of(path), "connected"), "they are told")
        self.caught_up(server)
        modems[0].close()
        server.stop()
        plugins = server.config["registration"].pop("plugins")
        server.config_path.write_text(json.dumps(server.config))
        server.start()
        state = pathlib.Path(server.config["server"]["state_dir"])
        subprocess.run([cencd.PROGRAM.with_name("cencctl"), "device", "remove", imei_of(0), "--socket",
                        state / "admin.sock"], check=True)
        with contextlib.closing(sqlite3.connect(state / "directory.sqlite")) as store:
            wait_until(lambda: store.execute("SELECT sum(removed) FROM device").fetchone() == (1,),
                       "the store has it, too")
        server.stop()
        segments.replace(state / "journal", 1001)
        server.config["registration"]["plugins"] = plugins
        server.config_path.write_text(json.dumps(server.config))
        told = len(rows_of(path))
        server.start()
        wait_until(lambda: "complete" in [row["what"] for row in rows_of(path)[told:]], "all")
        rows = rows_of(path)[told:]
        self.assertEqual([row["what"] for row in rows[:2]], ["listed", "complete"])
        self.assertEqual(rows[0]["serial"], imei_of(1))
        self.caught_up(server)

    def test_refused_is_counted_and_left(self):
        server = self.with_plugins({"moods": {"mood": "refused"}}, {"jsonl": {"path": "/dev/full"}})
        self.modem(server, 0)
        server.wait(lambda: server.metric(REFUSED % "moods") >= 2, "new and connected are refused")
        self.caught_up(server, "moods")
        self.assertEqual(server.metric(TOLD % "moods"), 0)
        row = self.row(server, "moods")
        self.assertEqual((row["state"], row["told"], row["lag"]), ("running", 0, 0))
        self.assertGreaterEqual(row["refused"], 2)
        self.assertEqual(row["last_error"]["text"], "a matter of mood")
        server.wait(lambda: self.row(server, "jsonl")["state"] == "backing off", "the disk is full")
        row = self.row(server, "jsonl")
        self.assertEqual((row["told"], row["refused"], row["last_error"]["text"]),
                         (0, 0, "the disk is full"))
        self.assertGreater(row["retries"], 0)
        self.assertGreater(row["lag"], 0)

    def test_later_waits_over_a_restart(self):
        server = self.with_plugins({"moods": {"mood": "later"}})
        self.modem(server, 0)
        server.wait(lambda: server.metric(RETRIES % "moods") >= 2, "it is tried again")
        server.stop()
        server.config["registration"]["plugins"] = ["moods"]
        server.config_path.write_text(json.dumps(server.config))
        server.start()
        server.wait(lambda: server.metric(TOLD % "moods") >= 2, "it is told what had to wait")
        self.caught_up(server, "moods")
