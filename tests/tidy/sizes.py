"""A report of file and function sizes. Fails for a file over 800 or a function over 100 lines;
names those over 500 and 70, which want to be a table or a state machine.

Functions are found by their braces in the first column, which clang-format keeps there."""

import re
import statistics

import tree

FILE_GOAL, FILE_LIMIT = 500, 800
FUNCTION_GOAL, FUNCTION_LIMIT = 70, 100
SHOWN = 10

NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")


def head_of(lines, brace):
    """The line number where the function whose brace is in this line begins."""
    start = brace
    while start > 0 and lines[start - 1].strip() and not re.search(r"[;}]\s*$|\*/\s*$|^#",
                                                                   lines[start - 1]):
        start -= 1
    return start


def functions(text):
    """(name, first line, lines) of every function, line numbers from 1."""
    lines = text.splitlines()
    found = []
    brace = None
    for number, line in enumerate(lines):
        if line == "{":
            brace = number
        elif line == "}" and brace is not None:
            start = head_of(lines, brace)
            match = NAME.search(re.sub(r"__attribute__\s*\(\(.*?\)\)", "",
                                       " ".join(lines[start:brace])))
            found.append((match.group(1) if match else "?", start + 1, number - start + 1))
            brace = None
    return found


def judge(what, lines, goal, limit):
    """An error line for what is too long; prints what is over the goal."""
    if lines > limit:
        return [f"{what}: {lines} lines, the limit is {limit}"]
    if lines > goal:
        print(f"over the goal of {goal}: {what}: {lines} lines")
    return []


def report(title, sizes):
    """sizes: (lines, name), printed largest first."""
    if not sizes:
        return
    counts = sorted(lines for lines, _ in sizes)
    print(f"{title}: {len(counts)}, {sum(counts)} lines, median {statistics.median(counts):g}, "
          f"nine in ten up to {counts[len(counts) * 9 // 10]}, largest {counts[-1]}")
    for lines, name in sorted(sizes, reverse=True)[:SHOWN]:
        print(f"  {lines:4} {name}")


def main():
    errors = []
    file_sizes = []
    function_sizes = []
    for path in tree.c_files():
        text = (tree.ROOT / path).read_text(encoding="utf-8")
        lines = len(text.splitlines())
        file_sizes.append((lines, str(path)))
        errors += judge(str(path), lines, FILE_GOAL, FILE_LIMIT)
        for name, start, length in functions(text):
            where = f"{path}:{start}: {name}"
            function_sizes.append((length, where))
            errors += judge(where, length, FUNCTION_GOAL, FUNCTION_LIMIT)
    report("files", file_sizes)
    report("functions", function_sizes)
    tree.finish("sizes", errors)


if __name__ == "__main__":
    main()
