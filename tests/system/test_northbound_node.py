"""docs/examples/consumer.js: a client whose gRPC isn't Google's C core, @grpc/grpc-js from npm. Where
there is no node, or the registry can't be reached, the test says so and is skipped; with
CENCD_NPM=required in the environment it fails."""

import os
import pathlib
import shutil
import subprocess
import unittest

from cencd import LIMIT_S, wait_until
from northbound import PROTOS, TOKEN, NorthboundTest, lines, recorded

PACKAGES = ["@grpc/grpc-js@1.12.6", "@grpc/proto-loader@0.7.13"]
UNREACHABLE = ("ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH",
               "ECONNRESET")
EXAMPLE = PROTOS.parents[1] / "docs" / "examples" / "consumer.js"


def install(folder):
    """None, or why it is not possible."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not installed (Debian: nodejs npm)"
    try:
        result = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error",
             "--fetch-retries=1",
             "--fetch-retry-mintimeout=1000", "--prefix", folder, *PACKAGES],
            capture_output=True, text=True, timeout=100)
    except subprocess.TimeoutExpired:
        return "the npm registry doesn't answer"
    if result.returncode == 0:
        return None
    if any(code in result.stderr for code in UNREACHABLE):
        return "the npm registry can't be reached"
    return f"npm install: {result.stderr[-300:]}"


class NodeTest(NorthboundTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(os.environ["TMPDIR"]) / "node"
        cls.folder.mkdir()
        reason = install(cls.folder)
        if reason and os.environ.get("CENCD_NPM") == "required":
            raise AssertionError(f"CENCD_NPM=required, but {reason}")
        if reason:
            raise unittest.SkipTest(reason)
        shutil.copy(EXAMPLE, cls.folder)

    def start(self, server, out):
        process = subprocess.Popen(
            ["node", self.folder / "consumer.js", server.north, TOKEN, out, PROTOS],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait, LIMIT_S)
        self.addCleanup(process.kill)
        return process

    def sequences(self, out):
        return [int(event["sequence"]) for event in lines(out)] if out.exists() else []

    def test_events_over_a_restart(self):
        server = self.server()
        out = self.folder / "events.jsonl"
        self.start(server, out)
        self.modem(server, 1)
        wait_until(lambda: len(self.sequences(out)) >= len(recorded(server)), "the first events")
        server.kill()
        server.start()
        self.modem(server, 2)
        last = recorded(server)[-1]
        wait_until(lambda: self.sequences(out)[-1] >= last, "the events after the restart")
        sequences = self.sequences(out)
        self.assertEqual(sorted(set(sequences)),
                         [each for each in recorded(server) if each <= max(sequences)])
        kinds = {event["body"] for event in lines(out)}
        self.assertLessEqual({"serverStarted", "deviceAdded", "connected"}, kinds)

    def test_a_wrong_token(self):
        server = self.server(consumers=[{"name": "other", "projects": "all",
                                         "token_sha256": self.hash_of("x" * 32)}])
        process = self.start(server, self.folder / "none.jsonl")
        self.assertEqual(process.wait(LIMIT_S), 1)
        self.assertIn("UNAUTHENTICATED", process.stderr.read())
