"""What is measured: the cells of the table, and how one of them is run against one relay."""

import json
import pathlib
import subprocess
import time

from peers import LOAD_CORE, Failure, start_pinned

LOAD_PATIENCE_S = 60
IDLE_PATIENCE_S = 120
SETTLE_S = 10


class Cell:
    """One kind of load. unit: what CPU time, system calls and allocations are counted per."""

    def __init__(self, name, arguments, unit):
        self.name = name
        self.arguments = arguments
        self.unit = unit


def request_cells():
    return [Cell(f"request {size} B with {sessions} session{'s' * (sessions > 1)}",
                 ["request", "--size", str(size), "--sessions", str(sessions)], "message")
            for size in (64, 512) for sessions in (1, 64, 1024)]


CELLS = request_cells() + [
    Cell("bulk up with 4 sessions", ["bulk", "--sessions", "4", "--direction", "up"], "MB"),
    Cell("bulk down with 4 sessions", ["bulk", "--sessions", "4", "--direction", "down"], "MB"),
    Cell("churn with 1 client", ["churn", "--sessions", "1"], "session"),
    Cell("churn with 64 clients", ["churn", "--sessions", "64"], "session"),
]


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def settle(peer, connections=0):
    """Waits until the relay has closed what the last load left and uses no time."""
    end = time.monotonic() + SETTLE_S
    while time.monotonic() < end and peer.connections() > connections:
        time.sleep(0.05)
    while time.monotonic() < end:
        before = cpu_ticks(peer.pid)
        time.sleep(0.05)
        if cpu_ticks(peer.pid) == before:
            return


def run_load(tools, arguments):
    """One run of the generator; its JSON. A Failure with its words if it didn't work."""
    process = start_pinned([tools["load"], *arguments], LOAD_CORE, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, words = process.communicate(timeout=LOAD_PATIENCE_S)
    except BaseException as error:
        process.kill()
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failure("load takes too long") from error
        raise
    if process.returncode != 0:
        raise Failure(words.decode(errors="replace").strip() or "load failed")
    return json.loads(out)


def units_of(cell, result):
    return {"message": result["messages"], "MB": result["bytes"] / 1e6,
            "session": result["exchanges"]}[cell.unit]


def measure(tools, peer, cell, seconds, extra=()):
    """Runs a cell against a peer: numbers per unit and per second."""
    peer = peer.for_mode(cell.arguments[0])
    if peer.process.poll() is not None:
        raise Failure(f"it has ended; its last words: {peer.last_words()}")
    arguments = [*cell.arguments, "--seconds", str(seconds), *peer.load_arguments(), *extra]
    try:
        result = run_load(tools, arguments)
    except Failure as failure:
        raise Failure(f"{failure}; its last words: {peer.last_words()}") from failure
    finally:
        settle(peer)
    units = units_of(cell, result)
    measured = {"cpu_us": result["cpu_us"] / units, "rate": units / result["seconds"],
                "busy": result["cpu_us"] / result["seconds"] / 1e6,
                "load_cpu_us": result["own_cpu_us"] / units, "errors": result["errors"]}
    for key in ("p50_us", "p99_us", "worst_us"):
        if key in result:
            measured[key] = result[key]
    for key in ("system_calls", "allocations"):
        if key in result:
            measured[key] = result[key] / units
    return measured


def user_memory(pid):
    """Bytes of user memory: resident, and of these the ones that are private and written to."""
    values = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, size = line.split()[:2]
        values[key.rstrip(":")] = int(size) * 1024
    return {"rss": values["Rss"], "private_dirty": values["Private_Dirty"]}


def measure_idle(tools, peer, count, links_only=False):
    """User memory that count idle sessions (links_only: links without agents) add to a relay."""
    arguments = ["idle", "--sessions", str(count), *peer.load_arguments()]
    before = user_memory(peer.pid)
    begun = time.monotonic()
    process = start_pinned([tools["load"], *arguments, *["--links-only"] * links_only], LOAD_CORE,
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if not process.stdout.readline():
            raise Failure(process.stderr.read().decode(errors="replace").strip() or "load failed")
        connected_s = time.monotonic() - begun
        settle(peer, connections=float("inf"))
        after = user_memory(peer.pid)
        process.stdin.close()
        process.wait(IDLE_PATIENCE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return {"count": count, "connected_s": connected_s,
            "rss_each": (after["rss"] - before["rss"]) / count,
            "private_dirty_each": (after["private_dirty"] - before["private_dirty"]) / count,
            "rss_before": before["rss"]}


def system_call_event():
    """Id of the tracepoint that counts system calls, from a tracefs that only we see; or None."""
    script = "mount -t tracefs none /mnt && cat /mnt/events/raw_syscalls/sys_enter/id"
    for path in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
        try:
            return pathlib.Path(path, "events/raw_syscalls/sys_enter/id").read_text().strip()
        except OSError:
            pass
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    return done.stdout.decode().strip() or None
