"""The pages over HTTP: valid, counting what happened, of bounded size, for GET and HEAD only."""

import json
import os
import pathlib
import re
import socket
import tempfile
import unittest

from cencd import SystemTest, free_ports, hello, imei_of, is_closed, ping, run

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(\{{{LABEL}(?:,{LABEL})*\}})? (-?[0-9]+(?:\.[0-9]+)?)")


class Metrics(SystemTest):
    def families(self, text):
        """Checks an exposition; returns {family: type}."""
        self.assertTrue(text.endswith("\n"))
        types, helped, seen = {}, set(), set()
        family = None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                family, _, words = line[7:].partition(" ")
                self.assertTrue(words.endswith("."), line)
                self.assertNotIn(family, helped, "a family stands in one place")
                helped.add(family)
            elif line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                self.assertEqual(name, family)
                self.assertIn(kind, ("counter", "gauge"))
                self.assertEqual(name.endswith("_total"), kind == "counter", name)
                types[name] = kind
            else:
                match = SAMPLE.fullmatch(line)
                self.assertTrue(match, line)
                self.assertEqual(match[1], family)
                self.assertIn(family, types)
                self.assertNotIn(line.rpartition(" ")[0], seen, "a series comes once")
                seen.add(line.rpartition(" ")[0])
        self.assertEqual(helped, set(types))
        return types

    def test_exposition_is_valid(self):
        server = self.cencd({"server": {"node": "node-7.a_b"}})
        status, headers, text = server.request("/metrics")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertGreater(len(self.families(text)), 30)
        self.assertIn('node="node-7.a_b"', text)

    def test_it_counts_what_happened(self):
        server = self.cencd()
        modems = [self.modem(server, number) for number in range(5)]
        stranger = self.connection(server.port)
        stranger.sendall(b"who goes there?")
        self.assertTrue(is_closed(stranger))
        agent = self.agent(modems[0])
        ping(agent, modems[0], b"0123456789")
        self.assertTrue(is_closed(self.agent(modems[0])))
        modems[4].close()
        server.wait_closed("peer", "closed")
        server.wait(lambda: server.metric("cencd_links") == 4, "one link has gone")
        metrics = server.metrics()
        irz = '{listener="irz"}'
        expected = {
            f"cencd_listener_accepted_total{irz}": 6,
            f"cencd_listener_identified_total{irz}": 5,
            f"cencd_listener_failed_total{irz}": 1,
            f"cencd_listener_accepting{irz}": 1,
            'cencd_listener_links{listener="irz",state="greeting"}': 0,
            'cencd_listener_links{listener="irz",state="idle"}': 3,
            'cencd_listener_links{listener="irz",state="in_session"}': 1,
            'cencd_closed_total{layer="greeting",cause="unknown"}': 1,
            'cencd_closed_total{layer="session",cause="busy"}': 1,
            'cencd_closed_total{layer="peer",cause="closed"}': 1,
            "cencd_links": 4, "cencd_devices": 5, "cencd_devices_online": 4,
            "cencd_devices_in_session": 1, "cencd_direct_ports_leased": 5,
            "cencd_direct_ports_limit": 50, "cencd_sessions": 1, "cencd_shards": 2,
            "cencd_unidentified_links": 0, "cencd_log_lines_dropped_total": 0,
        }
        self.assertEqual({name: metrics[name] for name in expected}, expected)
        for name, value in (("cencd_shard_sessions_started_total", 1),
                            ("cencd_shard_agent_sent_bytes_total", 10),
                            ("cencd_shard_device_sent_bytes_total", 10),
                            ("cencd_reactor_stale_completions_total", 0),
                            ("cencd_reactor_accept_errors_total", 0)):
            self.assertEqual(server.metric(name), value, name)

    def test_number_of_series_does_not_depend_on_devices(self):
        server = self.cencd()
        before = set(server.metrics())
        for number in range(40):
            self.modem(server, number)
        status, text = server.get("/metrics")
        self.assertEqual(set(server.metrics()), before)
        for number in range(40):
            self.assertNotIn(imei_of(number), text)
        self.assertNotIn("ATM21", text)
        labels = set(re.findall(r'([a-z_]+)="', text))
        self.assertTrue(labels.isdisjoint({"serial", "imei", "device", "peer", "link", "session",
                                           "agent", "port", "direct_port", "model"}), labels)
        self.families(text)


class Stats(SystemTest):
    def test_a_device(self):
        server = self.cencd({"server": {"node": "here"}}, {"scope": "irz-scope"})
        modem = self.modem(server, 1)
        page = server.stats()
        self.assertEqual(page["node"], "here")
        row = page["devices"][0]
        peer = "127.0.0.1:%d" % modem.socket.getsockname()[1]
        expected = {"scope": "irz-scope", "serial": modem.imei, "model": "ATM21",
                    "firmware": "01.04 024.254", "hardware": "2.0", "signal_csq": 16,
                    "state": "idle", "peer": peer, "listener": "irz", "epoch": 1}
        self.assertEqual({name: row[name] for name in expected}, expected)
        for name in ("first_seen", "last_seen"):
            self.assertRegex(row[name], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        ping(self.agent(modem), modem)
        self.assertEqual(server.wait_device(modem.imei, "in session")["serial"], modem.imei)
        modem.close()
        server.wait_device(modem.imei, "offline")

    def test_signal_of_an_encapsulating_modem_is_kept_current(self):
        server = self.cencd()
        modem = self.modem(server, 1, encapsulated=True)
        modem.socket.sendall(bytes.fromhex("C8CACBCCCD0C0004014001190D0A"))
        server.wait(lambda: server.device(modem.imei)["signal_csq"] == 25, "the new signal")

    def test_text_of_devices_is_any_bytes(self):
        server = self.cencd()
        connection = self.connection(server.port)
        connection.sendall(hello(imei_of(1)).replace(b"ATM21", b'A"\\\xff\xfe\xc3'))
        server.wait(lambda: server.stats()["devices"] or server.stats()["failed_identifications"],
                    "it is listed, this way or that")
        self.assertEqual(server.get("/metrics")[0], 200)

    def test_devices_in_pages(self):
        server = self.cencd()
        for number in range(23):
            self.modem(server, number, register=False)
        server.wait(lambda: server.stats()["directory"]["devices"] == 23, "all are registered")
        serials = []
        position = 0
        while position is not None:
            page = server.stats(devices=5, start=position)
            self.assertLessEqual(len(page["devices"]), 5)
            serials += [row["serial"] for row in page["devices"]]
            position = page["next"]
        self.assertEqual(sorted(serials), [imei_of(number) for number in range(23)])
        self.assertEqual(server.stats(devices=0)["devices"], [])

    def test_wrong_parameters(self):
        server = self.cencd()
        for query in ("?devices=-1", "?devices=x", "?devices=99999999", "?frm=1", "?devices",
                      "?failed=", "?from=99999999999999999999999"):
            status, text = server.get("/stats" + query)
            self.assertEqual(status, 400, query)
            self.assertEqual(len(text.splitlines()), 1)


class Documentation(SystemTest):
    """docs/operations-http.md names what the pages hold: all of it, and nothing else."""

    source = pathlib.Path(os.environ["CENCD_SOURCE"])

    def full_server(self):
        """Everything that prints numbers is on, whether it reaches its Redis or not."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        redis = f"redis://127.0.0.1:{free_ports(1)}"
        return self.cencd({"server": {"state_dir": folder}, "redis": {"url": redis}})

    def chapter(self, heading):
        """From a heading of the second level to the next one."""
        text = (self.source / "docs/operations-http.md").read_text()
        chapters = re.split(r"^## ", text, flags=re.MULTILINE)
        return next(chapter for chapter in chapters if chapter.startswith(heading + "\n"))

    def rows(self, text):
        """The cells of all rows of tables."""
        return [line.strip("| ").split(" | ") for line in text.splitlines()
                if line.startswith("| `")]

    def test_metrics(self):
        server = self.full_server()
        printed = dict(re.findall(r"^# TYPE (\S+) (\w+)$", server.get("/metrics")[1],
                                  re.MULTILINE))
        documented = {}
        for names, kind, *_ in self.rows(self.chapter("/metrics")):
            if kind not in ("counter", "gauge", "histogram"):
                continue
            for name in re.findall(r"`((?:cencd|process)_\w+)[^`]*`", names):
                self.assertNotIn(name, documented)
                documented[name] = kind
        self.assertEqual({name: documented.get(name) for name in printed}, printed)
        self.assert_in_source(documented.keys() - printed.keys())

    def assert_in_source(self, names):
        """What only other configurations print, such as certificates."""
        source = "".join(path.read_text() for path in (self.source / "server").rglob("*.c"))
        for name in names:
            self.assertIn(f'"{name}', source)

    def test_metrics_that_other_pages_name(self):
        server = self.full_server()
        printed = set(re.findall(r"^(\w+)", server.get("/metrics")[1], re.MULTILINE))
        for page in "README.md", "docs/operations.md", "docs/state.md", "docs/redis.md":
            named = re.findall(r"`(cencd_[a-z_]+[a-z])[`{]", (self.source / page).read_text())
            self.assert_in_source(set(named) - printed)

    def test_stats(self):
        server = self.full_server()
        self.modem(server, 1)
        stranger = self.connection(server.port)
        stranger.sendall(b"who goes there?")
        self.assertTrue(is_closed(stranger))
        page = server.stats()
        chapter, device, stranger, *_ = re.split(
            r"^A device:$|^### Why", self.chapter("/stats"), flags=re.MULTILINE)
        self.assert_keys(page, chapter.partition("| key |")[2])
        self.assert_keys(page["devices"][0], device)
        self.assert_keys(page["failed_identifications"][0], stranger)
        meanings = {name: " ".join(row[1:]) for row in self.rows(chapter)
                    for name in re.findall(r"`(\w+)`", row[0])}
        for name, value in page.items():
            value = value[0] if value and isinstance(value, list) else value
            if isinstance(value, dict) and name not in ("devices", "failed_identifications",
                                                        "close_reasons"):
                told = set(re.findall(r"`(\w+)`", meanings[name]))
                self.assertEqual(told - {"null"}, set(value), name)

    def assert_keys(self, printed, text):
        documented = [name for row in self.rows(text) for name in re.findall(r"`(\w+)`", row[0])]
        self.assertEqual(sorted(documented), sorted(printed))


class Http(SystemTest):
    def test_health_and_readiness(self):
        server = self.cencd()
        self.assertEqual(server.get("/healthz"), (200, "ok\n"))
        self.assertEqual(server.get("/readyz"), (200, "ready\n"))

    def test_methods(self):
        server = self.cencd()
        for path in ("/metrics", "/stats", "/healthz", "/readyz"):
            status, headers, text = server.request(path, "HEAD")
            self.assertEqual((status, text), (200, ""))
            self.assertGreater(int(headers["Content-Length"]), 0)
            self.assertEqual(headers["Cache-Control"], "no-store")
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "NONSENSE"):
                status, headers, _ = server.request(path, method)
                self.assertEqual(status, 405, method)
                self.assertEqual(headers["Allow"], "GET, HEAD")
        status, _, _ = server.request("/metrics", "GET", b"a body")
        self.assertEqual(status, 413)

    def test_unknown_pages(self):
        server = self.cencd()
        for path in ("/", "/metric", "/metrics/", "/stats/x", "/../etc/passwd", "/%00",
                     "/healthz%20"):
            status, text = server.get(path)
            self.assertEqual(status, 404, path)
            self.assertIn("/metrics", text)

    def test_no_http(self):
        """Bytes that are no HTTP, endless heads, and connections that say nothing."""
        server = self.cencd({"ops": {"max_connections": 8}})
        for text in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                     b"GET /stats HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n"):
            connection = self.connection(server.ops_port)
            try:
                connection.sendall(text)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self.assertTrue(is_closed(connection))
        silent = [self.connection(server.ops_port) for _ in range(20)]
        for connection in silent:
            connection.close()
        server.wait(lambda: server.get("/healthz")[0] == 200, "it answers again")
        modem = self.modem(server, 1)
        ping(self.agent(modem), modem)

    def test_off(self):
        server = self.cencd({"ops": {"enabled": False}}, start=False)
        server.is_ready = lambda: 'msg="ready"' in server.log()
        server.start()
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", server.ops_port)), 0)

    def test_only_loopback(self):
        server = self.cencd(start=False)
        config = json.loads(server.config_path.read_text())
        for address in ("0.0.0.0:9190", "192.0.2.1:9190", "[::]:9190"):
            config["ops"]["address"] = address
            server.config_path.write_text(json.dumps(config))
            code, _, errors = run("--config", str(server.config_path))
            self.assertEqual(code, 78)
            self.assertIn("loopback", errors)
        config["ops"]["address"] = f"[::1]:{server.ops_port}"
        server.config_path.write_text(json.dumps(config))
        if socket.has_ipv6:
            self.assertEqual(run("--check-config", "--config", str(server.config_path))[0], 0)


if __name__ == "__main__":
    unittest.main()
