"""What a text file of this tree must not hold, and what every header must."""

import re

import tree

CODE = (".c", ".h", ".py", ".txt", ".yaml", ".yml", ".json", ".sh", ".proto", ".service", ".md", "")

# Written in two pieces, so that this file doesn't find itself.
UNWANTED = [
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b"),
     "finish it, or write an issue instead of a marker"),
    (re.compile(r"(?<![\w./-])/(wo" r"rk|ho" r"me|ro" r"ot|Us" r"ers|data/repo)/[\w.]"),
     "a path of one machine"),
]


def check_header(path, text):
    """A header opens with its contract and is guarded."""
    errors = []
    if not text.startswith("/*"):
        errors.append(f"{path}:1: a header opens with a comment: its contract")
    guard = re.search(r"^#ifndef (CENCD_\w+_H)\n#define (\w+)\n", text, re.MULTILINE)
    if not guard or guard.group(1) != guard.group(2) or not text.rstrip().endswith("#endif"):
        errors.append(f"{path}:1: no include guard CENCD_..._H around the header")
    return errors


def check(path, text):
    """All errors of one file, as lines "path:line: ..."."""
    errors = []
    is_c = path.endswith((".c", ".h"))
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{path}:{number}"
        for pattern, why in UNWANTED:
            if pattern.search(line):
                errors.append(f"{where}: {pattern.search(line).group(0).strip()}: {why}")
        if is_c and "\t" in line:
            errors.append(f"{where}: a tab")
        if line != line.rstrip():
            errors.append(f"{where}: spaces at the end of the line")
    if text and not text.endswith("\n"):
        errors.append(f"{path}: no newline at the end")
    if path.endswith(".h"):
        errors += check_header(path, text)
    return errors


def main():
    errors = []
    for path in tree.files():
        if path.suffix not in CODE or "corpus" in path.parts:
            continue
        try:
            text = (tree.ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            errors.append(f"{path}: not UTF-8")
            continue
        errors += check(path.as_posix(), text)
    tree.finish("text", errors)


if __name__ == "__main__":
    main()
