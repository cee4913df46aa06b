"""The projection into Redis, with a redis-server of the test's own: what is there equals what
/stats tells, whatever happened to Redis meanwhile. Keys: docs/redis.md."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import unittest

from cencd import LIMIT_S, SystemTest, Task, free_ports, imei_of, wait_until

PASSWORD = "Quokka-1-Numbat"


class Redis:
    """A redis-server in a folder of its own, and a small client."""

    count = 0

    def __init__(self, *options):
        Redis.count += 1
        self.port = free_ports(1)
        self.options = options
        self.folder = pathlib.Path(os.environ["TMPDIR"]) / f"redis-{os.getpid()}-{Redis.count}"
        self.folder.mkdir()
        self.process = self.client = None
        self.start()

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
                   str(self.folder), "--save", "", "--appendonly", "no", *self.options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        wait_until(self.answers, "redis-server answers",
                   lambda: (self.folder / "log").read_text()[-2000:])

    def answers(self):
        try:
            self.connect()
            return self("PING")
        except OSError:
            return None

    def connect(self):
        self.disconnect()
        connection = socket.create_connection(("127.0.0.1", self.port), LIMIT_S)
        self.client = connection.makefile("rwb")
        connection.close()

    def disconnect(self):
        if self.client:
            try:
                self.client.close()
            except OSError:
                pass
        self.client = None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.disconnect()

    close = kill

    def __call__(self, *arguments):
        if self.client is None:
            self.connect()
        data = b"*%d\r\n" % len(arguments)
        for argument in arguments:
            argument = str(argument).encode()
            data += b"$%d\r\n%s\r\n" % (len(argument), argument)
        self.client.write(data)
        self.client.flush()
        return self.read()

    def read(self):
        line = self.client.readline()
        if not line:
            raise ConnectionResetError("redis-server closed")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"$":
            return None if rest == "-1" else self.client.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        return f"error {rest}" if kind == b"-" else rest

    def hash(self, key):
        flat = self("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class RedisTest(SystemTest):
    def redis(self, *options):
        return self.keep(Redis(*options))

    def server(self, redis, listeners=(), **settings):
        """More listeners have the port of the modems'."""
        folder = pathlib.Path(os.environ["TMPDIR"]) / f"state-{redis.port}"
        server = self.cencd({
            "server": {"state_dir": str(folder)},
            "redis": {"url": f"redis://127.0.0.1:{redis.port}/0", **settings},
        }, start=False)
        for listener in listeners:
            server.config["listeners"].append({"address": f"127.0.0.1:{server.port}", **listener})
        server.config_path.write_text(json.dumps(server.config))
        server.start()
        return server

    # -- what should be there --

    def expected(self, server):
        devices = {}
        for row in server.stats()["devices"]:
            devices[f"{row['scope']}:{row['serial']}"] = {
                "kind": row["kind"], "model": row["model"], "firmware": row["firmware"],
                "state": row["state"], "direct_port": str(row["direct_port"] or 0),
                "node": "node1", "epoch": str(row["epoch"]),
            }
        return devices

    def present(self, redis):
        found = {}
        for key in redis("KEYS", "cencd:device:*"):
            row = redis.hash(key)
            for name in ("last_seen", "last_gasp"):
                row.pop(name, None)
            found[key.removeprefix("cencd:device:")] = row
        return found

    def same(self, server, redis):
        devices = self.expected(server)
        if self.present(redis) != devices or redis("SCARD", "cencd:devices:node1") != len(devices):
            return False
        online = {key: row["epoch"] for key, row in devices.items() if row["state"] != "offline"}
        presence = {key.removeprefix("cencd:presence:"): redis.hash(key)
                    for key in redis("KEYS", "cencd:presence:*")}
        return presence == {key: {"node": "node1", "epoch": epoch}
                            for key, epoch in online.items()}

    def wait_same(self, server, redis):
        wait_until(lambda: self.same(server, redis), "Redis equals the directory", lambda: (
            f"{self.expected(server)}\n{self.present(redis)}\n{server.stats()['redis']}\n"
            f"{server.log()[-3000:]}"))

    def problem(self, server, reason):
        return server.wait_logged(module="redis", reason=reason)

    # -- tests --

    def test_devices_and_presence(self):
        redis = self.redis()
        server = self.server(redis)
        modems = [self.modem(server, number) for number in range(5)]
        self.wait_same(server, redis)
        key = f"cencd:presence:default:{imei_of(0)}"
        self.assertGreater(redis("TTL", key), 0)
        agent = self.agent(modems[1])
        server.wait_device(imei_of(1), "in session")
        self.wait_same(server, redis)
        agent.close()
        modems[2].close()
        server.wait_device(imei_of(2), "offline")
        self.wait_same(server, redis)
        row = redis.hash(f"cencd:device:default:{imei_of(2)}")
        self.assertEqual(row["last_gasp"], "0")
        self.assertGreater(int(row["last_seen"]), 1_600_000_000_000)
        self.modem(server, 2)
        self.wait_same(server, redis)
        self.assertEqual(server.metric("cencd_redis_up"), 1)
        self.assertEqual(server.metric("cencd_redis_damaged_total"), 0)

    def test_killed_and_back_empty(self):
        redis = self.redis()
        server = self.server(redis)
        modems = [self.modem(server, number) for number in range(3)]
        self.wait_same(server, redis)
        redis.kill()
        self.problem(server, "unreachable")
        modems[0].close()
        server.wait_device(imei_of(0), "offline")
        self.modem(server, 7)
        redis.start()
        self.wait_same(server, redis)
        self.assertEqual(len(server.logged(module="redis", reason="unreachable")), 1)

    def test_emptied_while_connected(self):
        redis = self.redis()
        server = self.server(redis)
        self.modem(server, 1)
        self.wait_same(server, redis)
        rebuilds = server.stats()["redis"]["rebuilds"]
        redis("FLUSHALL")
        self.wait_same(server, redis)
        server.wait(lambda: server.stats()["redis"]["rebuilds"] == rebuilds + 1, "it is told")
        self.assertEqual(server.stats()["redis"]["errors"], 0)

    def gasp(self, server, number):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(f"PWRFAIL,{imei_of(number)}".encode(), ("127.0.0.1", server.port))

    def gasps(self, redis):
        flat = redis("ZRANGE", "cencd:gasps", "0", "-1", "WITHSCORES")
        return dict(zip(flat[::2], flat[1::2]))

    def test_gasps(self):
        """Power fails, Redis is emptied, power returns."""
        redis = self.redis()
        server = self.server(redis, listeners=[{
            "name": "gasps", "transport": "udp",
            "plugins": [{"pattern": {"last_gasp": "PWRFAIL,(id)"}}],
        }])
        modems = [self.modem(server, number) for number in range(2)]
        self.wait_same(server, redis)
        server.wait_logged(msg="registered", serial=imei_of(0))
        modems[0].close()
        server.wait_device(imei_of(0), "offline")
        self.gasp(server, 0)
        self.gasp(server, 99)  # nobody knows it
        key = f"default:{imei_of(0)}"
        wait_until(lambda: key in self.gasps(redis), "the gasp is in Redis", server.log)
        gasps = self.gasps(redis)
        self.assertEqual(list(gasps), [key])
        self.assertEqual(redis.hash(f"cencd:device:{key}")["last_gasp"], gasps[key])
        redis.kill()
        redis.start()
        wait_until(lambda: self.gasps(redis) == gasps, "the gasp is in Redis again", server.log)
        self.wait_same(server, redis)
        self.modem(server, 0)
        wait_until(lambda: not self.gasps(redis), "the gasp is over", server.log)
        self.wait_same(server, redis)
        self.assertEqual(redis.hash(f"cencd:device:{key}")["last_gasp"], "0")

    def test_restart_goes_on_where_it_was(self):
        redis = self.redis()
        server = self.server(redis)
        self.modem(server, 1)
        self.modem(server, 2)
        self.wait_same(server, redis)
        wait_until(lambda: redis("HGET", "cencd:meta:node1", "ahead") == "",
                   "Redis isn't ahead of the journal", server.log)
        server.kill()
        server.start()
        self.wait_same(server, redis)
        self.assertEqual(server.stats()["redis"]["rebuilds"], 0)
        self.modem(server, 2)
        self.wait_same(server, redis)

    def test_what_nobody_knows_is_removed(self):
        redis = self.redis()
        redis("SADD", "cencd:devices:node1", "default:1", "default:2")
        redis("HSET", "cencd:device:default:1", "node", "node1")
        redis("HSET", "cencd:device:default:2", "node", "node2")
        redis("HSET", "cencd:meta:node1", "sequence", "99999999")
        redis("ZADD", "cencd:gasps", "5", "default:1")
        server = self.server(redis)
        self.modem(server, 3)
        wait_until(lambda: server.stats()["redis"]["rebuilds"] == 1 and
                   redis("EXISTS", f"cencd:presence:default:{imei_of(3)}"), "rebuilt")
        self.assertEqual(redis("EXISTS", "cencd:device:default:1"), 0)
        self.assertEqual(redis("EXISTS", "cencd:device:default:2"), 1)
        self.assertEqual(redis("ZCARD", "cencd:gasps"), 0)

    def test_read_only(self):
        redis = self.redis()
        server = self.server(redis)
        self.modem(server, 1)
        self.wait_same(server, redis)
        redis("REPLICAOF", "127.0.0.1", "1")
        self.problem(server, "READONLY")
        self.assertEqual(server.get("/readyz")[0], 200)
        self.modem(server, 2)
        redis("REPLICAOF", "NO", "ONE")
        self.wait_same(server, redis)

    def test_out_of_memory(self):
        redis = self.redis()
        server = self.server(redis)
        self.modem(server, 1)
        self.wait_same(server, redis)
        redis("CONFIG", "SET", "maxmemory", "1")
        self.problem(server, "OOM")
        self.modem(server, 2)
        redis("CONFIG", "SET", "maxmemory", "0")
        self.wait_same(server, redis)

    def test_slow(self):
        redis = self.redis()
        server = self.server(redis)
        redis("CLIENT", "PAUSE", "13000")
        self.modem(server, 1)
        self.problem(server, "no answer")
        self.wait_same(server, redis)

    def password_file(self, redis, text):
        path = redis.folder / "password"
        path.write_text(text + "\n")
        return str(path)

    def test_wrong_password(self):
        redis = self.redis("--requirepass", PASSWORD)
        server = self.server(redis, password_file=self.password_file(redis, "wrong" + PASSWORD))
        self.problem(server, "WRONGPASS")
        self.modem(server, 1)
        self.assertEqual(server.stats()["redis"]["up"], False)
        self.assertNotIn(PASSWORD, server.log())

    def test_user_of_an_acl(self):
        redis = self.redis()
        text = (pathlib.Path(os.environ["CENCD_SOURCE"]) / "docs/redis.md").read_text()
        rule = next(line for line in text.splitlines() if line.startswith("ACL SETUSER cencd"))
        self.assertEqual(redis(*rule.replace("PASSWORD", PASSWORD).split()), "OK")
        server = self.server(redis, user="cencd", password_file=self.password_file(redis, PASSWORD))
        self.modem(server, 1)
        self.wait_same(server, redis)
        redis("ACL", "SETUSER", "cencd", "resetkeys")
        self.problem(server, "NOPERM")
        redis("ACL", "SETUSER", "cencd", "~cencd:*")
        self.modem(server, 2)
        self.wait_same(server, redis)
        self.assertNotIn(PASSWORD, server.log())

    def test_keys_of_another_type(self):
        """Somebody else writes under the prefix: told, counted, replaced."""
        redis = self.redis()
        server = self.server(redis)
        modem = self.modem(server, 1)
        self.modem(server, 2)
        self.wait_same(server, redis)
        keys = [f"cencd:device:default:{imei_of(1)}", f"cencd:presence:default:{imei_of(1)}",
                "cencd:devices:node1", "cencd:gasps"]
        for key in keys:
            redis("SET", key, "somebody else's")
        modem.close()
        server.wait_device(imei_of(1), "offline")
        self.modem(server, 3)
        wait_until(lambda: redis("TYPE", "cencd:gasps") != "string", "gasps are gone", server.log)
        self.wait_same(server, redis)
        server.wait(lambda: server.metric("cencd_redis_replaced_total") == len(keys), "all are told")
        self.assertEqual(server.metric("cencd_redis_errors_total"), 0)
        server.wait_logged(module="redis", prefix="cencd:", level="warn")

    def test_what_tells_how_far_it_is_has_another_type(self):
        """While Redis is looked at for the first time, too."""
        redis = self.redis()
        redis("SET", "cencd:meta:node1", "somebody else's")
        redis("SET", "cencd:stale:node1", "somebody else's")
        server = self.server(redis)
        self.modem(server, 1)
        self.wait_same(server, redis)
        redis("SET", "cencd:meta:node1", "again")
        self.modem(server, 2)
        self.wait_same(server, redis)
        server.wait(lambda: server.metric("cencd_redis_replaced_total") == 3, "all are told")
        self.assertEqual(server.metric("cencd_redis_errors_total"), 0)

    def test_not_redis(self):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def greet():
                """Everybody: on a slow machine the first one has given up before he is heard."""
                while True:
                    connection = stack.enter_context(listener.accept()[0])
                    with contextlib.suppress(OSError):
                        connection.sendall(b"220 mail.example ESMTP\r\n")

            class Other:
                port = listener.getsockname()[1]
            task = Task(greet)
            server = self.server(Other)
            self.problem(server, "not Redis")
            self.modem(server, 1)
            listener.shutdown(socket.SHUT_RDWR)
            with self.assertRaises(OSError):
                task.result()


if __name__ == "__main__":
    unittest.main()
