"""All C files are as clang-format writes them."""

import subprocess

import tree


def main():
    paths = [str(path) for path in tree.c_files()]
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file", *paths],
                            cwd=tree.ROOT)
    tree.finish("format", [] if result.returncode == 0 else ["run clang-format -i on these files"])


if __name__ == "__main__":
    main()
