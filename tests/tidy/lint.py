"""clang-tidy with the tree's .clang-tidy over every source of a build, two at a time.

usage: lint.py BUILD_FOLDER [PART_OF_A_PATH...]"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import time

import tree


def lint(build, path):
    """Returns the path, what clang-tidy said (empty: nothing), and its seconds."""
    start = time.monotonic()
    result = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), str(path)],
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
