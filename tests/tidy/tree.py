"""Where the tree is and what is in it, for the checks in this folder."""

import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = re.compile(r"^(\.git|build|build-.*|__pycache__)$")


def files(root=ROOT):
    """Paths of all files of the tree, relative to root and sorted; neither builds nor .git."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not SKIPPED.match(name)]
        found += [pathlib.Path(folder, name).relative_to(root) for name in names
                  if name != ".git"]  # in a worktree it is a file
    return sorted(found)


def c_files(root=ROOT):
    return [path for path in files(root) if path.suffix in (".c", ".h")]


def finish(title, errors):
    """Prints the errors, one a line, and ends the process: 0 if there are none."""
    for error in errors:
        print(error)
    print(f"{title}: {len(errors)} errors")
    raise SystemExit(1 if errors else 0)
