"""A server that can't start says why in one sentence with the remedy, and exits with the code that
the manual names. One that can start with less says how much that is."""

import ctypes
import errno
import mmap
import os
import resource
import socket
import struct
import subprocess
import unittest

from cencd import LIMIT_S, PROGRAM, Cencd, SystemTest, parse_line, ping, wait_until

IO_URING_SETUP, IO_URING_REGISTER = 425, 427  # on every architecture
REGISTER_BUFFERS, UNREGISTER_BUFFERS = 0, 1
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 38, 22
SECCOMP_MODE_FILTER = 2
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000


def refuse_io_uring(error):
    """In a child before exec: io_uring_setup fails with this error, as containers do it."""
    load_number, jump_if_equal, give_back = 0x20, 0x15, 0x06
    program = b"".join(struct.pack("=HBBI", *step) for step in (
        (load_number, 0, 0, 0),
        (jump_if_equal, 0, 1, IO_URING_SETUP),
        (give_back, 0, 0, RET_ERRNO | error),
        (give_back, 0, 0, RET_ALLOW)))

    def install():
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(program)
        filters = struct.pack("@HP", 4, ctypes.addressof(buffer))
        if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters, 0, 0) != 0):
            os._exit(99)
    return install


def limit(which, number):
    """In a child before exec: a resource limit, soft and hard."""
    return lambda: resource.setrlimit(which, (number, number))


class Start(SystemTest):
    lockable = 4 << 20

    def lock(self):
        """True if nearly all that is lockable can be locked in one piece by a ring, and was."""
        libc = ctypes.CDLL(None, use_errno=True)
        soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        limit = self.lockable if hard < 0 else min(self.lockable, hard)  # negative: none
        size = limit - min(256 << 10, limit // 2)
        with mmap.mmap(-1, size) as memory:
            begin = ctypes.c_char.from_buffer(memory)
            piece = ctypes.create_string_buffer(struct.pack("@PN", ctypes.addressof(begin), size))
            del begin
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, hard))
            try:
                ring = libc.syscall(IO_URING_SETUP, 1, ctypes.create_string_buffer(120))
                if ring < 0:
                    return False
                locked = libc.syscall(IO_URING_REGISTER, ring, REGISTER_BUFFERS, piece, 1) == 0
                if locked:
                    libc.syscall(IO_URING_REGISTER, ring, UNREGISTER_BUFFERS, None, 0)
                os.close(ring)
                return locked
            finally:
                resource.setrlimit(resource.RLIMIT_MEMLOCK, (soft, hard))

    def wait_lockable(self):
        """What the rings of a process locked counts for its user until the kernel has taken them
        down, which is a while after the process has ended."""
        if os.geteuid() != 0:
            wait_until(self.lock, "the user's other processes leave memory to lock")

    def start(self, server, before_exec=None):
        """(exit code or None if it runs, the lines that are no log lines)"""
        with server.log_path.open("wb") as log:
            process = subprocess.Popen([PROGRAM, "--config", server.config_path],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       preexec_fn=before_exec)

        def over():
            return process.poll() is not None or 'msg="ready"' in server.log()
        wait_until(over, "it starts or it doesn't", server.log)
        code = process.poll()
        if code is None:
            process.terminate()
            process.wait(LIMIT_S)
        sentences = [line for line in server.log().splitlines() if not line.startswith("time=")]
        for line in server.log().splitlines():
            if line not in sentences:
                parse_line(line)
        return code, sentences

    def assert_refused(self, server, code, *words, before_exec=None):
        got, sentences = self.start(server, before_exec)
        self.assertEqual(got, code, sentences)
        self.assertEqual(len(sentences), 1, sentences)
        self.assertTrue(sentences[0].startswith("cencd: "), sentences)
        for word in words:
            self.assertIn(word, sentences[0])

    def prepared(self, changes=None, **keywords):
        """A server with a configuration that is not started."""
        return Cencd(changes, start=False, **keywords)

    def occupy(self, port):
        self.keep(socket.create_server(("127.0.0.1", port)))

    def test_listeners_port_is_in_use(self):
        server = self.prepared()
        self.occupy(server.port)
        self.assert_refused(server, 69, f"127.0.0.1:{server.port}", "Address already in use")

    def test_ops_port_is_in_use(self):
        server = self.prepared()
        self.occupy(server.ops_port)
        self.assert_refused(server, 69, f"127.0.0.1:{server.ops_port}", "Address already in use")

    def test_address_of_another_machine(self):
        server = self.prepared(listener={"address": "192.0.2.1:5009"})
        self.assert_refused(server, 69, "192.0.2.1:5009", "assign")

    def test_io_uring_is_refused(self):
        """As Docker's default profile does it."""
        for error in (errno.EPERM, errno.EACCES):
            with self.subTest(error=error):
                self.assert_refused(self.prepared(), 71, "io_uring", "seccomp", "allow",
                                    before_exec=refuse_io_uring(error))

    def test_io_uring_is_not_there(self):
        for error in (errno.ENOSYS, errno.EOPNOTSUPP):
            with self.subTest(error=error):
                self.assert_refused(self.prepared(), 71, "io_uring", "sandbox", "6.1",
                                    before_exec=refuse_io_uring(error))

    def test_no_lockable_memory(self):
        if os.geteuid() == 0:
            self.skipTest("the limit doesn't count for root")
        server = self.prepared({"server": {"shards": 40}})
        code, sentences = self.start(server, limit(resource.RLIMIT_MEMLOCK, 1 << 20))
        if code is None:
            self.skipTest("this kernel doesn't count rings as locked memory")
        self.assertEqual(code, 71, sentences)
        self.assertEqual(len(sentences), 1, sentences)
        for word in ("RLIMIT_MEMLOCK is 1024 kB", "LimitMEMLOCK", "fewer shards"):
            self.assertIn(word, sentences[0])

    def test_no_descriptors(self):
        """With a small limit it starts, or says what is too low; it doesn't fail half-way."""
        for number in 16, 64:
            self.assert_refused(self.prepared(), 71, f"RLIMIT_NOFILE {number} is too low",
                                "descriptors of its own", "LimitNOFILE", "ulimit -n",
                                before_exec=limit(resource.RLIMIT_NOFILE, number))
        many = {"server": {"shards": 200}}
        self.assert_refused(self.prepared(many), 71, "RLIMIT_NOFILE 256 is too low",
                            "200 shards", "fewer shards",
                            before_exec=limit(resource.RLIMIT_NOFILE, 256))

    def test_no_descriptors_for_direct_ports(self):
        server = self.prepared({"server": {"shards": "auto"},
                                "direct_ports": {"range": "1100-9099"}})
        self.assert_refused(server, 71, "RLIMIT_NOFILE 256 is too low", "no room for a single link",
                            "direct_ports.range", "LimitNOFILE",
                            before_exec=limit(resource.RLIMIT_NOFILE, 256))

    def test_shards_auto_with_few_descriptors(self):
        """As many shards as are of use, and never more than the rings' own descriptors allow."""
        for number in 160, 256, 1024:
            with self.subTest(number=number):
                self.wait_lockable()
                server = self.cencd({"server": {"shards": "auto"}},
                                    preexec_fn=limit(resource.RLIMIT_NOFILE, number))
                shards = server.metric("cencd_shards")
                self.assertGreater(shards, 1)
                self.assertLessEqual(shards, number / 6)
                warning = server.wait_logged(module="main", level="warn")[0]
                self.assertIn("RLIMIT_NOFILE", warning["msg"])
                modem = self.modem(server, number)
                ping(self.agent(modem), modem)
                server.stop()

    def test_shards_auto_with_little_lockable_memory(self):
        """Rings beyond RLIMIT_MEMLOCK, which other processes of the user share, are not tried."""
        def both():
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (self.lockable, self.lockable))
        self.wait_lockable()
        server = self.cencd({"server": {"shards": "auto"}}, preexec_fn=both)
        self.assertLess(server.metric("cencd_shards"), 170 if os.geteuid() == 0 else 32)
        server.stop()

    def test_few_descriptors(self):
        """It starts, says how many links it can hold, holds at least as many, and leaves the
        others waiting, while agents still get in."""
        server = self.cencd({"limits": {"sessions": 20}}, ports=60,
                            preexec_fn=limit(resource.RLIMIT_NOFILE, 300))
        warning = server.wait_logged(level="warn", module="main")[0]
        room = int(warning["links"])
        self.assertGreater(room, 300)
        self.assertIn("RLIMIT_NOFILE", warning["msg"])
        self.assertIn(f"{room} links: 2 shards", server.wait_logged(module="main")[0]["room"])
        modems = [self.modem(server, number, register=False) for number in range(room + 180)]
        server.wait(lambda: server.stats()["directory"]["online"] >= room, f"{room} links")
        served = {row["serial"]: row for row in server.stats(devices=1000)["devices"]}
        self.assertLess(len(served), 600)  # two tables of 300
        reachable = [modem for modem in modems
                     if modem.imei in served and served[modem.imei]["direct_port"]]
        for modem in reachable[:20]:
            modem.row = served[modem.imei]
            ping(self.agent(modem), modem)
        self.assertEqual(server.stats()["sessions"], 20)
        leaving = [modem for modem in modems if modem.imei in served][-200:]
        for modem in leaving:
            modem.close()
        server.wait(lambda: server.stats()["directory"]["devices"] == len(modems),
                    "those who waited were served")

    def test_soft_limit_is_raised_to_the_hard_one(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        server = self.cencd(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                                  (64, hard)))
        self.assertIn(f"RLIMIT_NOFILE {min(hard, 1 << 20)}",
                      server.wait_logged(module="main")[0]["room"])

    def test_shards_auto(self):
        """One for each processor that the process may use, not that the machine has."""
        settings = {"server": {"shards": "auto"}, "limits": {"links": 1000}}
        usable = os.sched_getaffinity(0)
        server = self.cencd(settings)
        self.assertEqual(server.metric("cencd_shards"), len(usable))
        server = self.cencd(settings,
                            preexec_fn=lambda: os.sched_setaffinity(0, {min(usable)}))
        self.assertEqual(server.metric("cencd_shards"), 1)


if __name__ == "__main__":
    unittest.main()
