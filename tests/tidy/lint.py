"""clang-tidy with the tree's .clang-tidy over every source of a build, two at a time. What isn't run
where the server runs is analyzed one function at a time, which takes a tenth of the time: its faults
show in its tests.

usage: lint.py BUILD_FOLDER [PART_OF_A_PATH...]"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

import tree

SHALLOW = ("bench/", "tests/", "server/reactor/sim/")


def to_clang(*words):
    """Arguments of clang-tidy that give clang's own compiler these."""
    return [f"--extra-arg={word}" for each in words for word in ("-Xclang", each)]


def lint(build, path):
    """Returns the path, what clang-tidy said (empty: nothing), and its seconds."""
    start = time.monotonic()
    shallow = os.path.relpath(path, tree.ROOT).startswith(SHALLOW)
    options = to_clang("-analyzer-config", "mode=shallow") if shallow else []
    result = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), *options, str(path)],
                            cwd=tree.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)
    # clang-tidy counts suppressed warnings on stderr; that is of interest only if it failed
    output = result.stdout + (result.stderr if result.returncode != 0 else "")
    return path, output if result.returncode != 0 else "", time.monotonic() - start


def main():
    build = pathlib.Path(sys.argv[1])
    parts = sys.argv[2:]
    commands = json.loads((build / "compile_commands.json").read_text())
    paths = sorted({entry["file"] for entry in commands})
    # what is generated into the build isn't this tree's
    generated = str(build.resolve()) + "/"
    paths = [path for path in paths if not path.startswith(generated)]
    paths = [path for path in paths if not parts or any(part in path for part in parts)]
    # large ones first, so that none is alone at the end
    paths.sort(key=os.path.getsize, reverse=True)
    start = time.monotonic()
    errors = []
    slowest = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, output, seconds in pool.map(lambda path: lint(build, path), paths):
            slowest.append((seconds, path))
            if output:
                errors.append(output)
    for seconds, path in sorted(slowest, reverse=True)[:5]:
        print(f"{seconds:6.1f} s {path}")
    print(f"{len(paths)} files in {time.monotonic() - start:.0f} s")
    tree.finish("lint", errors)


if __name__ == "__main__":
    main()
