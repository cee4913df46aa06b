"""What takes the storm: cencd with devices that it knows, the bare limit, Redis. Each is started on
loopback in a folder of its own, and says what it recorded and what that cost."""

import http.client
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import time

from peers import PATIENCE_S, Failure, first_line, free_range

WAIT_S = 120
LOOK_S = 0.01
STILL_S = 1  # when nothing more comes
RECORD_HEADER = 32
TICKS = os.sysconf("SC_CLK_TCK")


def wait_for(condition, what, limit_s=WAIT_S, step_s=LOOK_S):
    """The first true value of condition()."""
    end = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise Failure(f"waited in vain: {what}")
        time.sleep(step_s)
    return value


def stop_process(process, number=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_seconds(pid):
    """Of all its threads, those of the kernel that work for its ring included."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def backlog_drops():
    """Packets that this machine lost before any socket saw them: a processor's backlog was full."""
    lines = pathlib.Path("/proc/net/softnet_stat").read_text().splitlines()
    return sum(int(line.split()[1], 16) for line in lines)


def machine(folder):
    model = "processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    kind = subprocess.run(["stat", "-f", "-c", "%T", folder], stdout=subprocess.PIPE, check=False)
    return (f"Linux {platform.release()}, {os.cpu_count()} x {model}, files on "
            f"{kind.stdout.decode().strip()}, load average {os.getloadavg()[0]:.2f}")


class CallCounter:
    """Counts a process's system calls with perf, where that is there and allowed."""

    def __init__(self, pid, wanted):
        self.process = None
        if wanted and shutil.which("perf"):
            self.process = subprocess.Popen(
                ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", str(pid)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True)
            time.sleep(0.3)  # until it counts

    def end(self):
        """Their number, or None."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGINT)
        words = self.process.communicate()[1]
        for line in words.splitlines():
            fields = line.split(",")
            if len(fields) > 2 and "sys_enter" in fields[2] and fields[0].isdigit():
                return int(fields[0])
        return None


def parse_metrics(text):
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples


def quantile(before, after, share):
    """Of the commits between two readings: milliseconds, the upper edge of the bucket that holds the
    share; 0 if there were none."""
    name = "cencd_journal_commit_seconds_bucket"
    edges = sorted((float(key.split('"')[1]), after[key] - before.get(key, 0))
                   for key in after if key.startswith(name))
    total = edges[-1][1]
    return next((edge * 1000 for edge, count in edges if count and count >= share * total), 0)


class Cencd:
    """A server with an empty journal that knows `devices` devices."""

    def __init__(self, tools, folder, name, delay_ms=0, devices=100000):
        self.tools = tools
        self.folder = pathlib.Path(folder, name)
        self.folder.mkdir()
        self.state = self.folder / "state"
        self.state.mkdir()
        self.port = free_range(2)
        self.delay_ms = delay_ms
        self.devices = devices
        self.process = self.connection = None

    def config(self):
        plugins = ["dlms-push", {"pattern": {"last_gasp": "PWRFAIL,(id)", "push_answer": "OK"}}]
        address = f"127.0.0.1:{self.port}"
        return {"server": {"state_dir": str(self.state)}, "log": {"level": "warn"},
                "direct_ports": {"enabled": False}, "ops": {"address": f"127.0.0.1:{self.port + 1}"},
                "limits": {"unidentified_per_source": 20000},
                "journal": {"sync_delay_ms": self.delay_ms},
                "listeners": [{"name": "udp", "address": address, "transport": "udp",
                               "plugins": plugins},
                              {"name": "tcp", "address": address, "plugins": plugins}]}

    def start(self):
        if self.devices:
            subprocess.run([self.tools["storm_devices"], self.state, str(self.devices)], check=True)
        path = self.folder / "cencd.yaml"
        path.write_text(json.dumps(self.config()))
        self.log = self.folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.tools["cencd"], "--config", path],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.is_ready, "cencd is ready", step_s=0.05)

    def is_ready(self):
        if self.process.poll() is not None:
            raise Failure(f"cencd doesn't start: {self.words()}")
        try:
            self.metrics()
        except OSError:
            self.connection = None
            return False
        return self.settled()

    def words(self):
        return self.log.read_text(errors="replace").strip()[-500:] or "it says nothing"

    def stop(self):
        if self.connection:
            self.connection.close()
        if self.process:
            stop_process(self.process)

    def end(self):
        """Stops it; what its journal holds then."""
        self.stop()
        folder = self.state / "journal"
        if self.process.returncode != 0:
            raise Failure(f"cencd ended with {self.process.returncode}: {self.words()}")
        done = subprocess.run([self.tools["cencctl"], "journal", "verify", folder],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise Failure(f"the journal is not whole: {done.stdout.decode()[-300:]}")
        dump = subprocess.Popen([self.tools["cencctl"], "journal", "dump", folder, "--kind",
                                 "last_gasp"], stdout=subprocess.PIPE)
        with dump.stdout:
            gasps = sum(1 for _ in dump.stdout)
        dump.wait()
        return gasps

    # -- what it says --

    def metrics(self):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port + 1,
                                                         timeout=PATIENCE_S)
        self.connection.request("GET", "/metrics")
        return parse_metrics(self.connection.getresponse().read().decode())

    def settled(self):
        """The store has what the journal has, so that the threads are at rest."""
        now = self.metrics()
        return now["cencd_store_sequence"] >= now["cencd_journal_committed_sequence"] > 0

    def version(self):
        return first_line([self.tools["cencd"], "--version"])


def told(metrics, transport):
    """(last gasps taken, datagrams lost) of a listener."""
    label = f'{{listener="{transport}"}}'
    lost = metrics.get(f"cencd_listener_datagrams_overrun_total{label}", 0)
    return metrics[f"cencd_listener_last_gasps_total{label}"], lost


class Progress:
    """What has become of the gasps of a storm so far."""

    def __init__(self, server, transport, count):
        self.server, self.transport, self.count = server, transport, count
        self.before = server.metrics()
        self.drops = backlog_drops()
        self.after = self.before
        self.taken = self.lost = self.missing = 0
        self.moved = time.monotonic()

    def grown(self, name):
        return self.after[name] - self.before[name]

    def is_whole(self, load):
        """Every gasp was taken and recorded, or counted as lost: by the socket, or before it. While
        they are being sent nobody asks: answers take time from whom the storm is for."""
        if load.poll() is None:
            return False
        self.after = self.server.metrics()
        now = [int(end - begin) for begin, end in zip(told(self.before, self.transport),
                                                      told(self.after, self.transport))]
        if now != [self.taken, self.lost]:
            self.moved = time.monotonic()
        self.taken, self.lost = now
        self.missing = self.count - self.taken - self.lost
        # other events may be among them; the journal's gasps are counted in the end
        if (self.grown("cencd_journal_records_total") < self.taken or
                self.after["cencd_journal_queued_bytes"] > 0):
            return False
        if self.missing == 0:
            return True
        still = time.monotonic() > self.moved + STILL_S
        return still and 0 < self.missing <= backlog_drops() - self.drops

    def end_ns(self):
        """When the last commit was, as CLOCK_MONOTONIC counts."""
        at_ns = self.after["cencd_journal_commit_timestamp_seconds"] * 1e9
        return at_ns - time.time_ns() + time.monotonic_ns()


def storm(server, transport, count, *, rate=0, first=0, answers=False, clients=200, calls=True):
    """One storm against cencd, to the last commit."""
    progress = Progress(server, transport, count)
    cpu = cpu_seconds(server.process.pid)
    counter = CallCounter(server.process.pid, calls)
    command = [server.tools["storm_load"], transport, str(server.port), "--count", str(count),
               "--first", str(first), "--rate", str(int(rate)), "--clients", str(clients)]
    load = subprocess.Popen(command + (["--answers"] if answers else []), stdout=subprocess.PIPE)
    try:
        wait_for(lambda: progress.is_whole(load), f"the {transport} storm's {count} gasps")
        end_ns = progress.end_ns()
        words = json.loads(load.communicate(timeout=WAIT_S)[0])
    finally:
        load.kill()
        load.wait()
    recorded_cpu = cpu_seconds(server.process.pid) - cpu
    wait_for(server.settled, "the store is up to date")
    cpu = cpu_seconds(server.process.pid) - cpu
    calls = counter.end()
    if words["sent"] != count or words["failed"]:
        raise Failure(f"{words['sent']} of {count} gasps were sent, {words['failed']} failed")
    seconds = (end_ns - words["start_ns"]) / 1e9
    gasps = progress.taken
    found = {"rate": gasps / seconds, "sent": count, "received": gasps, "overruns": progress.lost,
             "dropped": progress.missing, "committed": gasps, "cpu_us": cpu * 1e6 / gasps,
             "recorded_cpu_us": recorded_cpu * 1e6 / gasps,
             "group": gasps / progress.grown("cencd_journal_groups_total"),
             "record": progress.grown("cencd_journal_written_bytes_total") / gasps,
             "p50_ms": quantile(progress.before, progress.after, 0.5),
             "p99_ms": quantile(progress.before, progress.after, 0.99)}
    if calls is not None:
        found["calls"] = calls / gasps
    if answers:
        found.update(answered=words["answered"], unheard=words["unheard"],
                     answer_p50_ms=words["answer_p50_ms"],
                     answer_p99_ms=words["answer_p99_ms"])
    return found


def limit_storm(tools, folder, count, record, *, transport="udp", rate=0, delay_ms=0):
    """One storm against the bare limit."""
    port = free_range(1)
    path = pathlib.Path(folder, "limit")
    process = subprocess.Popen([tools["storm_limit"], transport, str(port), path, "--record",
                                str(record), "--delay-ms", str(delay_ms)], stdout=subprocess.PIPE)
    try:
        if process.stdout.readline() != b"ready\n":
            raise Failure("storm_limit doesn't start")
        done = subprocess.run([tools["storm_load"], transport, str(port), "--count", str(count),
                               "--rate", str(int(rate))], stdout=subprocess.PIPE, check=True)
        load = json.loads(done.stdout)
        size, changed = -1, time.monotonic()
        while size < count * record and time.monotonic() < changed + STILL_S:
            if path.stat().st_size != size:
                size, changed = path.stat().st_size, time.monotonic()
            time.sleep(LOOK_S)
        process.terminate()
        words = json.loads(process.communicate(timeout=PATIENCE_S)[0])
    finally:
        stop_process(process)
        path.unlink(missing_ok=True)
    records = words["records"]
    if records == 0:
        raise Failure("the limit recorded nothing")
    seconds = (words["last_ns"] - load["start_ns"]) / 1e9
    return {"rate": records / seconds, "cpu_us": words["cpu_us"] / records,
            "recorded_cpu_us": words["cpu_us"] / records,
            "p50_ms": words["p50_ms"], "p99_ms": words["p99_ms"],
            "group": records / words["syncs"], "record": record,
            "calls": words["system_calls"] / records, "lost": count - records}


class Redis:
    """redis-server that appends to its file; policy: always or everysec."""

    def __init__(self, folder, policy):
        self.folder = pathlib.Path(folder, f"redis-{policy}-{time.monotonic_ns()}")
        self.folder.mkdir()
        self.port = free_range(1)
        self.policy = policy
        self.process = None

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
                   str(self.folder), "--save", "", "--appendonly", "yes", "--appendfsync",
                   self.policy, "--auto-aof-rewrite-percentage", "0"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL)
        wait_for(self.is_ready, "redis-server is ready", step_s=0.05)

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()

    def is_ready(self):
        if self.process.poll() is not None:
            raise Failure("redis-server doesn't start")
        return self.ask("ping") == "PONG\n"

    def storm(self, count, payload):
        """XADD, pipelined, of as many bytes as a record's payload."""
        cpu = cpu_seconds(self.process.pid)
        counter = CallCounter(self.process.pid, True)
        begun = time.monotonic()
        done = subprocess.run(
            ["redis-benchmark", "-p", str(self.port), "-n", str(count), "-c", "50", "-P", "64",
             "-r", "100000", "--csv", "XADD", "gasps", "*", "serial", "__rand_int__", "event",
             "x" * max(1, payload - 24)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        seconds = time.monotonic() - begun
        calls = counter.end()
        cpu = cpu_seconds(self.process.pid) - cpu
        entries = int(self.ask("xlen", "gasps"))
        if entries < count:  # the last pipelines are full
            raise Failure(f"Redis has {entries} of {count} entries")
        # "test","rps","avg_latency_ms","min_latency_ms","p50...","p95...","p99...","max..."
        row = [field.strip('"') for field in done.stdout.decode().splitlines()[-1].split('","')]
        found = {"rate": float(row[1]), "cpu_us": cpu * 1e6 / count,
                 "recorded_cpu_us": cpu * 1e6 / count, "p50_ms": float(row[4]),
                 "p99_ms": float(row[6]), "seconds": seconds}
        if calls is not None:
            found["calls"] = calls / count
        return found

    def stop(self):
        if self.process:
            stop_process(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
