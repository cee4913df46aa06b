"""Import and export by cencctl: a ceHes file comes out as it came but for passwords, which are kept
nowhere; CSV by the hundred thousand; dry runs, faults with their places, updates; a kill in the
midst leaves all of it or nothing."""

import csv
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from cencd import Cencd, LIMIT_S, Modem, PROGRAM, SANITIZED, imei_of, wait_until

CENCCTL = PROGRAM.parent / "cencctl"
METERS = pathlib.Path(os.environ["CENCD_SOURCE"]) / "tests" / "exchange" / "meters.json"
PASSWORDS = ["5566778855667788", "9900113399001133"]
MANY = 10_000 if SANITIZED else 100_000
KILLS = int(os.environ.get("CENCD_KILLS", "8")) // 2
PATIENCE_S = 4 * LIMIT_S


def without_passwords(document):
    """The document as it must come out."""
    text = json.dumps(document, ensure_ascii=False)
    for password in PASSWORDS:
        text = text.replace(password, "")
    return json.loads(text)


def opened(document):
    """Settings are JSON in texts: compared by what they mean, and each text must be JSON."""
    for entry in document["Channels"] + document["Protocols"]:
        entry["Settings"] = json.loads(entry["Settings"])
    return document


class Exchange(unittest.TestCase):
    def setUp(self):
        # the path of a Unix socket has at most 107 bytes
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cencd-x-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = self.folder / "state"
        self.state.mkdir()
        self.environment = {**os.environ, "CENCD_SOCKET": str(self.state / "admin.sock")}
        self.server = Cencd({"server": {"state_dir": str(self.state)},
                             "limits": {"devices": 2 * MANY}})
        self.addCleanup(self.kill)

    def kill(self):
        self.server.process.kill()
        self.server.process.wait()

    def run_it(self, *words):
        done = subprocess.run([CENCCTL, *map(str, words)], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False, env=self.environment)
        return done.returncode, done.stdout, done.stderr

    def ctl(self, *words, code=0):
        """What it says."""
        got, out, error = self.run_it(*words)
        self.assertEqual(got, code, f"{words}: {out}{error}\n{self.server.log()[-2000:]}")
        return out if code == 0 else error

    def list(self, noun, *words):
        return json.loads(self.ctl(noun, "list", *words, "--json"))

    def bring(self, name, *words):
        """Imports a file; what the server said."""
        return json.loads(self.ctl("import", self.folder / name, *words, "--json"))

    def write(self, name, text):
        (self.folder / name).write_text(text, newline="")
        return name

    def export(self, name, *words):
        (self.folder / name).unlink(missing_ok=True)
        self.ctl("export", "--output", self.folder / name, *words)
        return (self.folder / name).read_text()

    def events(self, kind):
        lines = self.ctl("journal", "dump", self.state / "journal", "--kind", kind).splitlines()
        return [json.loads(line) for line in lines]

    # -- the file of ceHes --

    def test_what_came_goes_out_but_for_passwords(self):
        shutil.copy(METERS, self.folder / "meters.json")
        said = self.bring("meters.json", "--project", "north")
        self.assertEqual(said["counts"], {
            "projects_added": 1, "groups_added": 1, "channels_added": 2, "channels_changed": 0,
            "devices_added": 3, "devices_moved": 0, "devices_unchanged": 0, "details_added": 12,
            "details_changed": 0, "passwords_left_out": 3})
        places = {device["serial"]: (device["group"], device["channel"])
                  for device in self.list("device", "--project", "north")}
        self.assertEqual(places, {"000000000040001": (None, "10.20.30.50"),
                                  "000000000040002": ("Улица Садовая", "10.20.30.50"),
                                  "000000000040003": ("Улица Садовая", "Подстанция 12")})
        exclusive = {channel["name"]: channel["exclusive"] for channel in self.list("channel")}
        self.assertEqual(exclusive, {"10.20.30.50": True, "Подстанция 12": False})
        given = json.loads(METERS.read_text())
        text = self.export("out.json", "--project", "north")
        self.assertEqual(opened(json.loads(text)), opened(without_passwords(given)))
        self.assertIn('"Weight":1.10', text)  # not a digit is another one
        # and once more: nothing is new, and nothing is asked to be changed
        said = self.bring("meters.json", "--project", "north")
        self.assertEqual((said["counts"]["devices_unchanged"], said["changes"]), (3, []))
        self.server.stop()
        self.server.start()
        again = self.export("again.json", "--project", "north")
        self.assertEqual(again, text)
        said = self.bring("again.json", "--project", "north")
        self.assertEqual((said["counts"]["devices_unchanged"], said["changes"]), (3, []))
        self.look_for_passwords()

    def look_for_passwords(self):
        """Nowhere, while the server runs and when it has ended."""
        dump = self.ctl("journal", "dump", self.state / "journal") + self.ctl("audit")
        self.server.stop()
        files = [path for path in self.state.rglob("*") if path.is_file()]
        self.assertGreater(len(files), 2)
        for password in PASSWORDS:
            self.assertNotIn(password, dump)
            self.assertNotIn(password, self.server.log())
            for path in files:
                self.assertNotIn(password.encode(), path.read_bytes(), path)
        self.server.start()

    def test_what_changed_since_goes_out_changed(self):
        shutil.copy(METERS, self.folder / "meters.json")
        self.bring("meters.json", "--project", "north")
        self.ctl("group", "set", "north", "Улица Садовая", "--name", "Улица Новая")
        self.ctl("channel", "set", "10.20.30.50", "--port", "6000")
        self.ctl("device", "move", "000000000040003", "--project", "north", "--no-group",
                 "--channel", "10.20.30.50")
        self.ctl("device", "add", "77", "--project", "north", "--group", "Улица Новая")
        document = json.loads(self.export("out.json", "--project", "north"))
        none, street = document["Groups"]
        self.assertEqual((none["Name"], street["Name"]), (None, "Улица Новая"))
        self.assertEqual([device["SerialNumber"] for device in none["Devices"]],
                         ["000000000040001", "000000000040003"])
        self.assertEqual([device["SerialNumber"] for device in street["Devices"]],
                         ["000000000040002", "77"])
        changed = next(channel for channel in document["Channels"]
                       if channel["Name"] == "10.20.30.50")
        self.assertEqual(json.loads(changed["Settings"])["CHAN_TYPE_TCP_OP_IP_PORT"], "6000")
        self.assertEqual(none["Devices"][1]["CommLines"][0]["ChannelId"], changed["Id"])
        self.assertRegex(street["Devices"][1]["Id"], r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        said = self.bring("out.json", "--project", "north", "--dry-run")
        self.assertEqual((said["counts"]["devices_unchanged"], said["changes"]), (4, []))
        # details go with their objects
        self.ctl("device", "remove", "000000000040001")
        self.ctl("device", "add", "000000000040001", "--project", "north")
        document = json.loads(self.export("out.json", "--project", "north"))
        fresh = next(device for group in document["Groups"] for device in group["Devices"]
                     if device["SerialNumber"] == "000000000040001")
        self.assertIsNone(fresh["Type"])

    def test_the_least_that_a_file_may_say_goes_out_as_json(self):
        """A group of nothing but devices once began with a comma."""
        self.write("least.json", json.dumps({"Groups": [{"Devices": [{"SerialNumber": "1"}]}]}))
        self.bring("least.json", "--project", "north")
        document = json.loads(self.export("out.json", "--project", "north"))
        self.assertEqual(document["Groups"], [{"Devices": [{"SerialNumber": "1"}]}])
        said = self.bring("out.json", "--project", "north")
        self.assertEqual((said["counts"]["devices_unchanged"], said["changes"]), (1, []))

    def test_what_has_one_id_twice_goes_out_with_two(self):
        """What is renamed in the file is another here: the export once couldn't come back."""
        given = json.loads(METERS.read_text())
        self.write("first.json", json.dumps(given))
        self.bring("first.json", "--project", "north")
        for channel in given["Channels"]:
            channel["Name"] = channel["Name"] and "new " + channel["Name"]
        for group in given["Groups"]:
            group["Name"] = group["Name"] and "new " + group["Name"]
        self.write("second.json", json.dumps(given))
        self.bring("second.json", "--project", "north", "--update")
        document = json.loads(self.export("out.json", "--project", "north"))
        names = {channel["Id"]: channel["Name"] for channel in document["Channels"]}
        self.assertEqual(len(names), len(document["Channels"]))
        self.assertEqual(len({group["Id"] for group in document["Groups"]}), 3)
        for device in (device for group in document["Groups"] for device in group["Devices"]):
            used = {names[line["ChannelId"]] for line in device["CommLines"] if line["ChannelId"]}
            self.assertIn(self.show(device["SerialNumber"])["channel"], used)
        said = self.bring("out.json", "--project", "north")
        self.assertEqual((said["counts"]["devices_unchanged"], said["changes"]), (3, []))

    def show(self, serial):
        return json.loads(self.ctl("device", "show", serial, "--json"))

    def test_what_is_there_is_changed_by_an_update_only(self):
        shutil.copy(METERS, self.folder / "meters.json")
        self.ctl("project", "add", "south")
        self.ctl("device", "add", "000000000040001", "--project", "south")
        self.ctl("device", "add", "000000000040002")  # of no project: it is placed
        self.ctl("channel", "add", "10.20.30.50", "--host", "10.20.30.50", "--port", "99")
        words = ["import", self.folder / "meters.json", "--project", "north"]
        error = self.ctl(*words, code=65)
        self.assertIn("2 faults in the file: nothing was imported", error)
        self.assertRegex(error, r"line 16, column 5: Channels\[1\]: the channel 10.20.30.50 is "
                                r"there with another host")
        self.assertRegex(error, r"line \d+, column 9: Groups\[0\].Devices\[0\]: the device is in "
                                r"another project")
        self.assertEqual([project["name"] for project in self.list("project")], ["south"])
        said = self.bring("meters.json", "--project", "north", "--update")
        self.assertEqual({(row["action"], row["object"], row["name"], row["from"], row["to"])
                          for row in said["changes"]},
                         {("add", "project", "north", "", ""),
                          ("add", "group", "Улица Садовая", "", "north"),
                          ("add", "channel", "Подстанция 12", "", "10.20.30.40:10007"),
                          ("change", "channel", "10.20.30.50", "10.20.30.50:99",
                           "10.20.30.50:5000, exclusive"),
                          ("move", "device", "000000000040001", "south", "north"),
                          ("move", "device", "000000000040002", "", "north/Улица Садовая"),
                          ("add", "device", "000000000040003", "", "north/Улица Садовая")})
        event = self.events("imported")[0]
        self.assertEqual(event["imported"]["file_name"], "meters.json")
        self.assertEqual(event["imported"]["devices_moved"], 2)
        self.assertEqual(event["project"], "north")
        self.assertIn("imported", self.ctl("audit"))

    # -- dry runs and faults --

    def test_a_dry_run_changes_nothing(self):
        shutil.copy(METERS, self.folder / "meters.json")
        before = self.ctl("journal", "dump", self.state / "journal")
        said = self.bring("meters.json", "--project", "north", "--dry-run")
        self.assertTrue(said["dry_run"])
        self.assertEqual(said["counts"]["devices_added"], 3)
        self.assertEqual(len(said["changes"]), 7)
        self.assertEqual(self.list("device") + self.list("project") + self.list("channel"), [])
        self.assertEqual(self.ctl("journal", "dump", self.state / "journal"), before)
        out = self.ctl("import", self.folder / "meters.json", "--project", "north", "--dry-run")
        self.assertIn("nothing was changed", out)
        # faults that only the directory's rules find
        self.write("names.csv", "serial,project,group\n1,north,ok\n2,north,a\u0430\n3,North,b\n")
        error = self.ctl("import", self.folder / "names.csv", "--dry-run", code=75)
        self.assertRegex(error, r"line 3: .*name")
        self.assertRegex(error, r"line 4: .*north")

    def test_faults_have_their_place(self):
        document = json.loads(METERS.read_text())
        document["Groups"][1]["Devices"][1]["SerialNumber"] = "000000000040001"
        document["Channels"][0]["Settings"] = "{"
        self.write("bad.json", json.dumps(document, indent=1, ensure_ascii=False))
        error = self.ctl("import", self.folder / "bad.json", "--project", "north", code=65)
        self.assertRegex(error, r"line \d+, column \d+: Channels\[0\].Settings: this is no text")
        self.assertRegex(error, r"Groups\[1\].Devices\[1\].SerialNumber: the serial "
                                r"000000000040001 was at Groups\[0\].Devices\[0\] already")
        self.write("bad.csv", "serial;project\n1;north\n1;south\n2\n")
        error = self.ctl("import", self.folder / "bad.csv", code=65)
        self.assertIn("line 3, column 1: serial: the serial 1 was in line 2 already", error)
        self.assertIn("line 4: there are 1 fields, but 2 columns", error)
        self.assertEqual(self.list("project"), [])
        self.ctl("import", self.folder / "bad.txt", code=64)
        self.ctl("import", self.folder / "bad.json", code=65)  # of which project?
        self.ctl("import", self.folder / "missing.csv", code=74)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([CENCCTL, "export", "--format", "csv"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S,
                                  check=False, env=self.environment)
        self.assertEqual(done.returncode, 74)
        self.assertIn("the output takes no more: No space left on device", done.stderr)
        for name in (self.folder, "/dev/zero"):
            self.assertIn("this is no file", self.ctl("import", name, "--format", "csv", code=74))
        self.ctl("export", "--format", "cehes", code=65)
        self.ctl("export", "--format", "cehes", "--project", "none", code=66)

    def test_no_name_of_a_project_stops_the_server(self):
        for name in "%ff%fe", "%01", "a" * 96, "%e2%80%ae", "", "n%D0%BEth":
            self.refused(f"project={name}&file=%ff")
        self.assertEqual(self.list("project"), [])

    def refused(self, query):
        """The file that is imported so, after which the server is there."""
        body = METERS.read_bytes()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT_S)
            connection.connect(str(self.state / "admin.sock"))
            connection.sendall(f"POST /v1/import?format=cehes&{query} HTTP/1.0\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            self.assertEqual(connection.recv(4096).split()[1:2], [b"400"], query)
        wait_until(lambda: self.run_it("project", "list")[0] == 0, "the server is gone")

    def test_no_scope_stops_the_server(self):
        """One that is no UTF-8 once did."""
        for scope in "%ff", "%01", "a:b", "", "north%20east", "A", "a" * 32:
            self.refused(f"project=north&scope={scope}")
        self.assertEqual(self.list("project"), [])

    # -- CSV --

    def test_csv_in_both_shapes(self):
        self.write("places.csv", "serial,project,group\r\n1,north,street\r\n2,north,\r\n3,,\r\n")
        self.bring("places.csv")
        self.write("addresses.csv", "\ufeffserial;host;port;exclusive\n1;meters.example;5000;yes\n"
                                    "2;meters.example;5000;yes\n3;2001:db8::7;80;no\n")
        said = self.bring("addresses.csv")
        self.assertEqual((said["counts"]["channels_added"], said["counts"]["devices_moved"]), (2, 3))
        text = self.export("all.csv")
        rows = list(csv.reader(text.splitlines()))
        self.assertEqual(rows, [
            ["serial", "scope", "project", "group", "channel", "host", "port", "exclusive"],
            ["1", "default", "north", "street", "meters.example:5000", "meters.example", "5000",
             "yes"],
            ["2", "default", "north", "", "meters.example:5000", "meters.example", "5000", "yes"],
            ["3", "default", "", "", "2001:db8::7:80", "2001:db8::7", "80", "no"]])
        said = self.bring("all.csv")
        self.assertEqual((said["counts"]["devices_unchanged"], said["changes"]), (3, []))
        # the same address without a name is the channel that is there
        self.ctl("channel", "set", "meters.example:5000", "--name", "street")
        self.write("more.csv", "serial,host,port\n4,meters.example,5000\n")
        self.assertEqual(self.bring("more.csv")["counts"]["channels_added"], 0)
        self.assertEqual(len(list(csv.reader(self.export("n.csv", "--project",
                                                         "north").splitlines()))), 3)

    def test_a_hundred_thousand_devices(self):
        self.write("many.csv", "serial,project,group\n" + "".join(
            f"{number:012},north,street {number % 500}\n" for number in range(MANY)))
        modem = Modem(self.server, 1)  # dials in before, and is talked to afterwards
        self.addCleanup(modem.close)
        self.server.wait_device(imei_of(1))
        said = self.bring("many.csv")
        self.assertEqual((said["counts"]["devices_added"], said["counts"]["groups_added"]),
                         (MANY, 500))
        self.assertEqual((len(said["changes"]), said["changes_found"]), (1000, MANY + 501))
        self.server.wait_device(imei_of(1))
        project, = self.list("project")
        self.assertEqual(project["devices"], MANY)
        text = self.export("many-out.csv", "--project", "north")
        self.assertEqual(len(text.splitlines()), MANY + 1)
        document = json.loads(self.export("many.json", "--project", "north"))
        self.assertEqual(sum(len(group["Devices"]) for group in document["Groups"]), MANY)
        self.assertEqual(self.bring("many.json", "--project",
                                    "north")["counts"]["devices_unchanged"], MANY)

    # -- one at a time, all or nothing --

    def test_half_a_file_and_one_that_is_too_large(self):
        head = (b"POST /v1/import?format=csv HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
                b"serial,project\n1,north\n")
        self.write("one.csv", "serial,project\n1,north\n")

        def holds_up():
            """Unless the other one was faster."""
            with socket.socket(socket.AF_UNIX) as half:
                half.connect(str(self.state / "admin.sock"))
                half.sendall(head)
                return self.run_it("import", self.folder / "one.csv")[0] == 75

        wait_until(holds_up, "the half one doesn't count as under way")
        wait_until(lambda: self.run_it("import", self.folder / "one.csv")[0] == 0,
                   "the half one is still there")
        self.assertEqual(len(self.list("device")), 1)
        (self.folder / "zeros.csv").write_bytes(b"")
        os.truncate(self.folder / "zeros.csv", (256 << 20) + 1)
        self.assertIn("268435456 bytes", self.ctl("import", self.folder / "zeros.csv", code=65))
        (self.folder / "zeros.csv").unlink()

    def test_one_at_a_time(self):
        self.write("many.csv", "serial,project\n" + "".join(
            f"{number:012},north\n" for number in range(MANY // 2)))
        codes = []

        def bring():
            codes.append(self.run_it("import", self.folder / "many.csv")[0])

        threads = [threading.Thread(target=bring) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIn(0, codes)
        self.assertLessEqual(set(codes), {0, 75})
        self.assertEqual(self.list("project")[0]["devices"], MANY // 2)

    def test_a_kill_in_the_midst_leaves_all_or_nothing(self):
        count = MANY // 5
        brought = 0
        for attempt in range(KILLS):
            name = self.write(f"{attempt}.csv", "serial,project,group\n" + "".join(
                f"{attempt:03}{number:09},p{attempt},g{number % 9}\n" for number in range(count)))
            importing = subprocess.Popen([CENCCTL, "import", self.folder / name],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                         env=self.environment)
            time.sleep(random.random() * 1.5)  # whenever: what is looked for holds at any moment
            self.server.kill()
            code = importing.wait(LIMIT_S)
            self.server.start()
            projects = {project["name"]: project for project in self.list("project")}
            there = f"p{attempt}" in projects
            if code == 0:
                self.assertTrue(there, "it was told as done")
            if there:
                brought += 1
                self.assertEqual(projects[f"p{attempt}"]["devices"], count)
                self.assertEqual(projects[f"p{attempt}"]["groups"], 9)
            numbers = [event for event in self.events("imported")]
            self.assertEqual(len(numbers), brought)
            devices = self.list("device", "--serial", f"{attempt:03}", "--limit", "1")
            self.assertEqual(len(devices), int(there))
        verify = self.ctl("journal", "verify", self.state / "journal")
        self.assertTrue(re.search("^whole", verify, re.M), verify)


if __name__ == "__main__":
    unittest.main()
