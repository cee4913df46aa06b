"""Numbers on the wire never change their meaning: compares the .proto files with the list in
codec/proto/FIELDS.txt, in which every field and enum value that ever was has a line.

A field that was added needs its line: fields.py --add. A field that was removed keeps its line, and
its number and name must be `reserved` in the message. Anything else is an error."""

import sys

import protoc

LIST = protoc.FOLDER / "FIELDS.txt"
HEAD = """# Every field and enum value that ever was, one a line; lines are added, never changed or removed.
# message, number, name, type, and: single, repeated or oneof:NAME. enum, number, name.
"""


class Schema:
    """lines: how each field is now, by (message or enum, number). reserved: the numbers and names
    that a message or enum has given up."""

    def __init__(self, files):
        self.lines = {}
        self.ranges = {}
        self.names = {}
        for file in files:
            for message in file.message_type:
                self.add_message(file.package, message)
            for enum in file.enum_type:
                self.add_enum(file.package, enum)

    def add_message(self, scope, message):
        name = f"{scope}.{message.name}"
        # the end of a message's range is one behind it, that of an enum's belongs to it
        self.ranges[name] = [(item.start, item.end - 1) for item in message.reserved_range]
        self.names[name] = set(message.reserved_name)
        for field in message.field:
            self.lines[name, field.number] = f"{name} {field.number} {describe(message, field)}"
        for nested in message.nested_type:
            self.add_message(name, nested)
        for enum in message.enum_type:
            self.add_enum(name, enum)

    def add_enum(self, scope, enum):
        name = f"{scope}.{enum.name}"
        self.ranges[name] = [(item.start, item.end) for item in enum.reserved_range]
        self.names[name] = set(enum.reserved_name)
        for value in enum.value:
            self.lines[name, value.number] = f"{name} {value.number} {value.name}"

    def is_reserved(self, owner, number, name):
        inside = any(first <= number <= last for first, last in self.ranges.get(owner, []))
        return inside and name in self.names[owner]


def describe(message, field):
    """What the number means: name, type, and how often."""
    kind = field.type_name.lstrip(".") or field.Type.Name(field.type)[len("TYPE_"):].lower()
    if field.label == field.LABEL_REPEATED:
        how = "repeated"
    elif field.HasField("oneof_index"):
        how = "oneof:" + message.oneof_decl[field.oneof_index].name
    else:
        how = "single"
    return f"{field.name} {kind} {how}"


def check(listed, schema):
    """All errors, one a line."""
    errors = []
    seen = set()
    for line in listed:
        owner, number, name = line.split()[:3]
        key = owner, int(number)
        if key in seen:
            errors.append(f"{line}: the number is twice in the list")
        seen.add(key)
        now = schema.lines.get(key)
        if now is None and not schema.is_reserved(owner, int(number), name):
            errors.append(f"{line}: is gone; reserve its number and its name")
        if now is not None and now != line:
            errors.append(f"{line}: means something else now: {now}")
    for key, line in schema.lines.items():
        if key not in seen:
            errors.append(f"{line}: is new; run tests/proto/fields.py --add")
    return errors


def read_list():
    if not LIST.exists():
        return []
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def order(line):
    owner, number = line.split()[:2]
    return owner, int(number)


def main():
    schema = Schema(protoc.descriptor_set().file)
    listed = read_list()
    if sys.argv[1:] == ["--add"]:
        known = {order(line) for line in listed}
        listed += [line for key, line in schema.lines.items() if key not in known]
        LIST.write_text(HEAD + "".join(f"{line}\n" for line in sorted(listed, key=order)),
                        encoding="utf-8")
    errors = check(listed, schema)
    for error in errors:
        print(error)
    print(f"{len(schema.lines)} fields and values, {len(errors)} errors")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
