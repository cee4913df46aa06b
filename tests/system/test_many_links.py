"""More links than the process may have descriptors, idle and then in session, in bounded memory."""

import os
import pathlib
import random
import resource
import socket
import subprocess
import unittest

from cencd import LIMIT_S, SANITIZED, SystemTest, connect_patiently, read_exactly

FLEET = pathlib.Path(os.environ["CENCD_BUILD"]) / "bench" / "fleet"
DESCRIPTORS = min(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
LINKS = DESCRIPTORS * 3 // 2 if not SANITIZED else DESCRIPTORS // 5
BYTES_PER_LINK = 700  # 256 a link, 200 and its strings a device, tables and greetings' leftovers
RECEIVE_BUFFERS = 16 << 20  # and others that come to be used once, whatever the number of links
PORTS = 200
RATE = 10000


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


class ManyLinks(SystemTest):
    def fleet(self, server):
        """Modems that send back what comes, and don't dial in again when their link has gone."""
        process = subprocess.Popen(
            [FLEET, "--server", f"127.0.0.1:{server.port}", "--devices", str(LINKS),
             "--meter", "echo", "--rate", str(RATE), "--reconnect-s", "600,600"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=few_descriptors)
        self.addCleanup(process.wait, LIMIT_S)
        self.addCleanup(process.terminate)
        return process

    def echo(self, row):
        data = random.randbytes(2000)
        with connect_patiently(row["direct_port"]) as agent:
            agent.sendall(data)
            if read_exactly(agent, len(data)) != data:
                raise AssertionError(f"{row['serial']} sent other bytes")
            agent.shutdown(socket.SHUT_WR)

    def test_idle_links_beyond_the_descriptor_limit(self):
        server = self.cencd({"server": {"shards": "auto"},
                             "limits": {"links": LINKS + 1000, "unidentified": LINKS,
                                        "sessions": 500}}, ports=PORTS,
                            preexec_fn=few_descriptors)
        before = server.resident_bytes()
        fleet = self.fleet(server)
        server.wait(lambda: server.stats(0, 0)["directory"]["online"] == LINKS or fleet.poll(),
                    f"{LINKS} links")
        grown = server.resident_bytes() - before
        stats = server.stats(10000, 0)
        self.assertEqual(stats["directory"]["devices"], LINKS)
        self.assertEqual(stats["links"]["idle"], LINKS)
        self.assertEqual(stats["listeners"][0]["failed"], 0)
        print(f"{LINKS} links, {DESCRIPTORS} descriptors, "
              f"{int(server.metric('cencd_shards'))} shards: {grown / LINKS:.0f} bytes a link")
        if not SANITIZED:
            self.assertLess(grown, LINKS * BYTES_PER_LINK + RECEIVE_BUFFERS)
        rows = [row for row in stats["devices"] if row["direct_port"]]
        for row in random.sample(rows, min(50, len(rows))):
            self.echo(row)
        fleet.terminate()
        self.assertEqual(fleet.wait(LIMIT_S), 0)
        server.wait(lambda: server.metric("cencd_links") == 0, "all of them have gone")
        self.assertEqual(server.stats(0, 0)["directory"]["online"], 0)
        self.assertEqual(server.metric("cencd_reactor_stale_completions_total"), 0)
        self.assertEqual(server.metric("cencd_log_lines_dropped_total"), 0)


if __name__ == "__main__":
    unittest.main()
