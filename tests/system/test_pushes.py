"""Last gasps of devices, by datagram and on a connection that says nothing else: a burst is counted
to the last, and what is pushed is no failed identification."""

import json
import socket
import unittest

from cencd import SystemTest

GASP = bytes.fromhex("000100670066002AC2090C07E70706040A362600FF888000018080808080000209104B4136503030"
                     "35303339303231313130")
SERIAL = "KA6P005039021110"
BURST = 5000


class Pushes(SystemTest):
    def server(self, **gasps):
        server = self.cencd(ports=50, start=False)
        first = server.config["listeners"][0]
        first["plugins"].append("dlms-push")
        server.config["listeners"].append(
            {"name": "gasps", "address": f"127.0.0.1:{server.port}", "transport": "udp",
             "receive_buffer_bytes": 1 << 20, "plugins": ["dlms-push"], **gasps})
        server.config_path.write_text(json.dumps(server.config))
        server.start()
        return server

    def counted(self, server, listener, what):
        return int(server.metric(f'cencd_listener_{what}{{listener="{listener}"}}'))

    def test_a_burst_of_datagrams_is_counted_to_the_last(self):
        server = self.server()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.connect(("127.0.0.1", server.port))
            for number in range(BURST):
                device.send(GASP.replace(SERIAL.encode(), b"%016d" % number))
            device.send(b"no push")

        def all_counted():
            """By what became of them: one that is counted as accepted may still be looked at."""
            return sum(self.counted(server, "gasps", f"{what}_total") for what in
                       ("last_gasps", "failed", "datagrams_overrun")) == BURST + 1
        server.wait(all_counted, "every datagram was taken or counted as lost")
        pushes = self.counted(server, "gasps", "last_gasps_total")
        failed = self.counted(server, "gasps", "failed_total")
        self.assertEqual(pushes + failed, self.counted(server, "gasps", "accepted_total"))
        self.assertGreater(pushes, 0)
        for row in server.stats(0, 10)["failed_identifications"]:
            self.assertEqual(row["bytes_text"], "no push")

    def test_a_connection_that_only_says_its_gasp(self):
        server = self.server()
        for cut in (0, 1, 20, len(GASP)):
            with socket.create_connection(("127.0.0.1", server.port)) as device:
                device.sendall(GASP[:cut])
                device.sendall(GASP[cut:])
        server.wait(lambda: server.metric('cencd_closed_total{layer="push",cause="done"}') == 4,
                    "four connections that pushed")
        self.assertEqual(self.counted(server, "irz", "last_gasps_total"), 4)
        self.assertEqual(self.counted(server, "irz", "failed_total"), 0)
        self.assertEqual(server.stats(10, 10)["failed_identifications"], [])
        self.assertEqual(server.stats(10, 10)["devices"], [])


if __name__ == "__main__":
    unittest.main()
