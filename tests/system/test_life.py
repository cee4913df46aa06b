"""The life of a project, as docs/operations.md tells it: the commands of that section, in order, in
one shell, against a server of their own. Of each the exit code is looked at, and whether the lines
below it came out, in order. Numbers, times and passwords may differ. Ports are replaced by free ones."""

import os
import pathlib
import re
import secrets
import select
import signal
import subprocess
import time
import unittest

from cencd import LIMIT_S, PROGRAM, free_ports

PAGE = pathlib.Path(os.environ["CENCD_SOURCE"]) / "docs" / "operations.md"
SECTION = "## The life of a project, from empty to audited\n"
RANGE = "20000-20099"
PORTS = 5009, 5010, 1080, 9190, 9193
# What only looks may be asked again: things take the time they take.
LOOKS = re.compile(r"cencctl \w+ list|cencctl audit|cat |curl .*readyz|printf .* -m 3")
KILL = "cencctl session kill "


def section():
    text = PAGE.read_text(encoding="utf-8")
    if text.count(SECTION) != 1:
        raise AssertionError(f"{PAGE} has no section {SECTION!r}")
    return text.partition(SECTION)[2].partition("\n## ")[0]


def in_a_free_place(text):
    """Other ports, and the current folder."""
    text = text.replace("/tmp/life", str(pathlib.Path.cwd()))
    first = free_ports(100 + len(PORTS))
    text = text.replace(RANGE, f"{first}-{first + 99}")
    for number, port in enumerate(PORTS):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{first + 100 + number}")
    return text


def steps_of(block):
    """[command, exit code, expected lines] of each command."""
    steps = []
    for line in block.replace("\\\n", "").splitlines():
        if line.startswith("$ "):
            command, _, note = line[2:].partition("  # ")
            steps.append([command, int(note.partition(":")[0] or 0), []])
        else:
            steps[-1][2].append(line)
    return steps


def plain(line):
    """Without what differs from run to run; serials and bytes of addresses stay."""
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", line)
    line = re.sub(r"(uid|127\.0\.0\.1):\d+|session \d+|^\d+ +(?=\d{15} )|(?<= )(\d{4,5})(?= )",
                  "N", line)
    return " ".join(line.split())


def pattern_of(line):
    return re.compile(".*".join(map(re.escape, plain(line).split("..."))))


def missing(expected, output):
    """The first expected line that isn't there, or None. Lines follow one another, unless a line
    of three dots is between them."""
    lines = [plain(line) for line in output.splitlines()]
    at, anywhere = 0, False
    for line in expected:
        if line == "...":
            anywhere = True
            continue
        matches = [number for number in range(at, len(lines) if anywhere else at + 1)
                   if number < len(lines) and pattern_of(line).fullmatch(lines[number])]
        if not matches:
            return line
        at, anywhere = matches[0] + 1, False
    return None if anywhere or at == len(lines) else f"no more than {expected}"


class Shell:
    """A bash that is told one command after another."""

    def __init__(self):
        path = f"{PROGRAM.parent}:{PROGRAM.parent / 'bench'}:{os.environ['PATH']}"
        environment = {name: value for name, value in os.environ.items()
                       if not name.lower().endswith("_proxy") and not name.startswith("CENCD_")}
        self.process = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True,
                                        env={**environment, "PATH": path})

    def run(self, command):
        """Exit code, output."""
        mark = secrets.token_hex(8)
        self.process.stdin.write(f"{command}\nprintf '\\n{mark} %s\\n' $?\n".encode())
        self.process.stdin.flush()
        output, deadline = "", time.monotonic() + LIMIT_S
        while not (end := re.search(rf"\n{mark} (\d+)\n", output)):
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            part = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                raise AssertionError(f"{command} doesn't end: {output}")
            output += part.decode(errors="replace")
        return int(end[1]), output[:end.start()]

    def end(self):
        self.process.stdin.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Life(unittest.TestCase):
    def setUp(self):
        self.shell = Shell()
        self.addCleanup(self.shell.end)
        self.sessions = ""

    def test_the_page(self):
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", in_a_free_place(section()), re.M | re.S)
        self.assertEqual({kind for kind, _ in blocks}, {"", "yaml", "csv"})
        for kind, block in blocks:
            if kind:
                name = {"yaml": "cencd.yaml", "csv": "places.csv"}[kind]
                pathlib.Path(name).write_text(block, encoding="utf-8")
                continue
            for step in steps_of(block):
                self.take(*step)
        self.shell.run("wait")
        self.assertIn("stopped", pathlib.Path("cencd.log").read_text(encoding="utf-8"))

    def take(self, command, code, expected):
        if command.startswith(KILL):  # the page's number is that of another life
            [number] = re.findall(r"^(\d+) +\d{15} .* joined ", self.sessions, re.M)
            command = KILL + number
        deadline = time.monotonic() + LIMIT_S
        while True:
            got, output = self.shell.run(command)
            if "device list" in command:  # they stand in the order in which they came
                expected, output = sorted(expected), "\n".join(sorted(output.splitlines()))
            line = missing(expected, output)
            if got == code and line is None:
                break
            if not LOOKS.match(command) or time.monotonic() > deadline:
                self.fail(f"$ {command}\nended with {got}, expected {code}; "
                          f"not there: {line!r}\n{output}\n{self.log()}")
            time.sleep(0.1)
        if command == "cencctl session list":
            self.sessions = output

    @staticmethod
    def log():
        path = pathlib.Path("cencd.log")
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""


if __name__ == "__main__":
    unittest.main()
