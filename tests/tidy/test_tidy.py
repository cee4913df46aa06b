"""The checks of this folder find what they promise to find."""

import pathlib
import tempfile
import unittest

import docs
import includes
import sizes
import text
import tree


def anything(_header):
    return True


class Tree(unittest.TestCase):
    def test_neither_builds_nor_git(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in (".git/config", "build/a.c", "build-x/b.c", "server/c.c"):
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).touch()
            (root / "server" / ".git").write_text("gitdir: elsewhere\n")  # as in a worktree
            self.assertEqual([path.as_posix() for path in tree.files(root)], ["server/c.c"])


class Includes(unittest.TestCase):
    def allowed(self, path, header):
        self.assertEqual(includes.check(path, f"#include {header}\n", anything), [])

    def refused(self, path, header):
        self.assertEqual(len(includes.check(path, f"#include {header}\n", anything)), 1)

    def test_down_is_allowed(self):
        self.allowed("server/link/link.c", '"server/reactor/reactor.h"')
        self.allowed("server/link/link.c", '"server/link/link.h"')
        self.allowed("agents/direct.c", '"server/link/link.h"')
        self.allowed("plugins/irz.c", '"codec/modem/irz.h"')
        self.allowed("plugins/irz.c", '"plugins/plugin.h"')

    def test_up_is_refused(self):
        self.refused("server/base/list.h", '"server/reactor/reactor.h"')
        self.refused("server/reactor/reactor.c", '"server/link/link.h"')
        self.refused("server/link/link.c", '"agents/direct.h"')
        self.refused("server/directory/directory.c", '"server/ops/ops.h"')

    def test_codec_knows_only_codec(self):
        self.allowed("codec/cosem/hdlc.c", '"codec/cosem/hdlc.h"')
        self.refused("codec/cosem/hdlc.c", '"server/base/status.h"')
        self.refused("codec/cosem/hdlc.c", "<sys/socket.h>")
        self.refused("codec/cosem/hdlc.c", "<time.h>")

    def test_plugin_knows_only_plugin_h_and_codec(self):
        self.refused("plugins/irz.c", '"server/base/list.h"')
        self.refused("plugins/irz.c", '"plugins/loader.h"')
        self.refused("plugins/irz.c", "<unistd.h>")

    def test_libraries_stay_in_their_rooms(self):
        self.allowed("server/reactor/ring/ring.c", "<liburing.h>")
        self.refused("server/link/link.c", "<liburing.h>")
        self.refused("server/link/link.c", "<microhttpd.h>")

    def test_missing_header_and_missing_row(self):
        wrong = includes.check("server/base/a.c", '#include "list.h"\n', lambda header: False)
        self.assertEqual(len(wrong), 1)
        self.refused("newroom/a.c", '"server/base/list.h"')


class Sizes(unittest.TestCase):
    def test_lengths_and_names(self):
        source = ("#include <a.h>\n\n/* says why\n * twice */\nstatic int\nfirst(int a,\n"
                  "      int b)\n{\n    return a;\n}\n\nstruct s {\n    int a;\n};\n\n"
                  "void second(void)\n{\n}\n")
        self.assertEqual(sizes.functions(source), [("first", 5, 6), ("second", 16, 3)])

    def test_limit(self):
        self.assertEqual(sizes.judge("f", 100, 70, 100), [])
        self.assertEqual(len(sizes.judge("f", 101, 70, 100)), 1)


class Text(unittest.TestCase):
    header = "/* Contract. */\n#ifndef CENCD_A_H\n#define CENCD_A_H\n#endif\n"

    def test_clean(self):
        self.assertEqual(text.check("a.h", self.header), [])
        self.assertEqual(text.check("a.c", "int a; /* framework/x, network/y */\n"), [])

    def test_markers_and_paths(self):
        self.assertEqual(len(text.check("a.c", "/* TO" "DO later */\n")), 1)
        self.assertEqual(len(text.check("a.md", "see /wo" "rk/main/x\n")), 1)

    def test_spaces(self):
        self.assertEqual(len(text.check("a.c", "\tint a;\n")), 1)
        self.assertEqual(len(text.check("a.c", "int a; \n")), 1)
        self.assertEqual(len(text.check("a.c", "int a;")), 1)

    def test_header(self):
        self.assertEqual(len(text.check("a.h", self.header.replace("/* Contract. */\n", ""))), 1)
        self.assertEqual(len(text.check("a.h", self.header.replace("#define CENCD_A", "#define B"))),
                         1)


class Docs(unittest.TestCase):
    def links(self, text):
        files = {"docs/there.md": "# One thing: *here*\n"}
        return docs.check_links("docs/a.md", text, files.get)

    def test_links(self):
        self.assertEqual(self.links("[a](there.md) [b](there.md#one-thing-here) [c](#x)\n# X\n"), [])
        self.assertEqual(self.links("[a](https://example.org/) `[b](no.md)`\n```\n[c](no)\n```\n"),
                         [])
        self.assertEqual(len(self.links("[a](missing.md) [b](there.md#two) [c](#no)")), 3)

    def test_keys(self):
        described = "".join(f"    a.key{i}: an integer\n" for i in range(10)) + "    b.key1: a text\n"
        example = "".join(f"  key{i}: 1\n" for i in range(10))
        self.assertEqual(docs.check_keys(described, example + "# - key1: 1\n"), [])
        self.assertEqual(len(docs.check_keys(described, example)), 1)
        self.assertEqual(len(docs.check_keys("", example)), 1)

    def test_reasons_and_exit_codes(self):
        header = "".join(f'    X(A{i}, "layer", "cause{i}", "why") \\\n' for i in range(10))
        table = "".join(f"| `layer/cause{i}` | why |\n" for i in range(10))
        self.assertEqual(docs.check_reasons(header, table), [])
        self.assertEqual(len(docs.check_reasons(header, table.replace("cause3", "other"))), 1)
        source = "EXIT_GOOD = 0,\nEXIT_USAGE = EX_USAGE,\nEXIT_CONFIG = EX_CONFIG,\n"
        operations = "\n| 0 | x |\n| 64 | x |\n| 78 | x |\n"
        manual = "\n.B 0\n.B 64\n.B 78\n"
        self.assertEqual(docs.check_exits(source, operations, manual), [])
        self.assertEqual(len(docs.check_exits(source, "", "")), 6)


if __name__ == "__main__":
    unittest.main()
