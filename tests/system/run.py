"""Runs one module of system tests as an ordinary user, in a temporary folder of its own.

usage: CENCD_BUILD=FOLDER CENCD_SOURCE=FOLDER run.py test_module

When started by root the tests run as a user of the group nobody whom no module that runs at the
same time has, since some limits (lockable memory, processes) are those of all processes of a user.
If he can't read the build or the source folder (a clone in a private home), what the tests need is
copied into the temporary folder first. In the
test's environment CENCD_BUILD has cencd, cencctl and bench/fleet, bench/reader, tests/plugin_moods.so;
CENCD_SOURCE is the tree; TMPDIR, HOME and the current folder are the temporary folder.

A process that a test leaves running is named, ended, and fails the test."""

import ctypes
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NOBODY = 65534
FIRST_USER, USERS = 65000, 32  # ids that belong to nobody; so many for each range of ports
# below ctest's own limit, which would end only this process
TIME_LIMIT_S = int(os.environ.get("CENCD_TEST_LIMIT_S", "180")) - 20
ENDING_LIMIT_S = 10
PR_SET_CHILD_SUBREAPER = 36
# Modules that run at the same time have ports of their own: so many ranges, below the kernel's
# ephemeral ports, and for what needs few of them another so large.
FIRST_PORT, RANGE_PORTS, RANGES = 10000, 1400, 16
FIRST_LOW_PORT, LOW_RANGE_PORTS = 5000, 300
PORTS_LIMIT_S = 60


def take_ports():
    """Takes a range until this process ends, as soon as one is left. Returns its number, its holder
    and what tells the tests."""
    deadline = time.monotonic() + PORTS_LIMIT_S
    for number in itertools.cycle(range(RANGES)):
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0cencd-test-ports-{number}")
        except OSError:
            holder.close()
            if number == RANGES - 1:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            continue
        first, low = FIRST_PORT + number * RANGE_PORTS, FIRST_LOW_PORT + number * LOW_RANGE_PORTS
        return number, holder, {"CENCD_PORTS": f"{first}-{first + RANGE_PORTS - 1}",
                                "CENCD_LOW_PORTS": f"{low}-{low + LOW_RANGE_PORTS - 1}"}
    sys.exit(f"{RANGES} modules of system tests run, and don't end")


def readable_by(identity, paths):
    """True if a process with this identity can read all of the paths."""
    for path in paths:
        test = "-x" if os.access(path, os.X_OK) else "-r"
        if subprocess.run(["test", test, path], **identity).returncode != 0:
            return False
    return True


def copy_tree(source, build, folder):
    """Copies what system tests use and returns the new source and build folders."""
    new_source = folder / "source"
    new_build = folder / "build"
    shutil.copytree(source, new_source, ignore=shutil.ignore_patterns(".git", "build", "build-*"))
    new_build.mkdir()
    for program in "cencd", "cencctl":
        shutil.copy2(build / program, new_build)
    shutil.copytree(build / "bench", new_build / "bench",
                    ignore=shutil.ignore_patterns("CMakeFiles"))
    (new_build / "tests").mkdir()
    for plugin in (build / "tests").glob("plugin_moods.so"):
        shutil.copy2(plugin, new_build / "tests")
    subprocess.run(["chmod", "-R", "a+rX", new_source, new_build], check=True)
    return new_source, new_build


def children():
    """Process ids and names of this process's children, adopted orphans included."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(errors="replace")
        except OSError:
            continue
        name, _, rest = text.rpartition(")")
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid() and state != "Z":
            found[int(stat.parent.name)] = name.partition("(")[2]
    return found


def end_leftovers():
    """Kills what still runs; returns the names."""
    names = []
    while left := children():
        for process, name in left.items():
            names.append(name)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    return names


def wait_for_children():
    """What was just told to end may be ending."""
    deadline = time.monotonic() + ENDING_LIMIT_S
    while children() and time.monotonic() < deadline:
        time.sleep(0.05)


def stop(*_):
    """On a signal (a test's time is over): end everything, then stop."""
    end_leftovers()
    sys.exit(1)


def main():
    module = sys.argv[1]
    source = pathlib.Path(os.environ["CENCD_SOURCE"])
    build = pathlib.Path(os.environ["CENCD_BUILD"])
    number, ports, ranges = take_ports()
    identity = {}
    if os.geteuid() == 0:
        user = FIRST_USER + number * USERS + os.getpid() % USERS
        identity = {"user": user, "group": NOBODY, "extra_groups": []}
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with tempfile.TemporaryDirectory(prefix="cencd-test-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        work = folder / "work"
        work.mkdir(mode=0o700)
        if identity:
            os.chown(work, user, NOBODY)
            needed = [build / "cencd", build / "cencctl", build / "bench" / "fleet",
                      source / "tests" / "system"]
            if not readable_by(identity, needed):
                source, build = copy_tree(source, build, folder)
        environment = dict(os.environ, **ranges, CENCD_SOURCE=str(source), CENCD_BUILD=str(build),
                           TMPDIR=str(work), HOME=str(work), PYTHONDONTWRITEBYTECODE="1",
                           PYTHONUNBUFFERED="1", PYTHONPATH=str(source / "tests" / "system"))
        tests = subprocess.Popen(["/usr/bin/python3", "-m", "unittest", "-v", module],
                                 cwd=work, env=environment, start_new_session=True, **identity)
        try:
            failed = tests.wait(TIME_LIMIT_S) != 0
        except subprocess.TimeoutExpired:
            print(f"not done after {TIME_LIMIT_S} s")
            failed = True
        wait_for_children()
        leftovers = end_leftovers()
    ports.close()
    if leftovers:
        print("left running:", ", ".join(leftovers))
    sys.exit(1 if failed or leftovers else 0)


if __name__ == "__main__":
    main()
