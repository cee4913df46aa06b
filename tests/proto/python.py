"""A consumer in another language: Google's protobuf for Python reads what the C of this tree wrote,
writes the same bytes, and reads its JSON as the same message. And protoc generates code for C# and
Java without a complaint.

usage: python.py TEST_EVENTS (which prints samples of every kind)"""

import base64
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile

import protoc


def to_base64(values, descriptor):
    """The tree's JSON has bytes as hex, protobuf's as base64."""
    for name, value in values.items():
        field = descriptor.fields_by_name[name]
        many = value if isinstance(value, list) else [value]
        if field.type == field.TYPE_MESSAGE:
            for item in many:
                to_base64(item, field.message_type)
        elif field.type == field.TYPE_BYTES:
            many = [base64.b64encode(bytes.fromhex(item)).decode() for item in many]
            values[name] = many if isinstance(value, list) else many[0]


def compare(line, symbols):
    """What is wrong with one sample, or None."""
    from google.protobuf import json_format
    kind, data, text = line.split(" ", 2)
    data = bytes.fromhex(data)
    message = symbols[kind].FromString(data)
    if message.SerializeToString(deterministic=True) != data:
        return "other bytes"
    values = json.loads(text)
    to_base64(values, message.DESCRIPTOR)
    if json_format.ParseDict(values, symbols[kind]()) != message:
        return "other JSON"
    return None


def generate(scratch):
    """Message types by their full names."""
    for language in ("csharp", "java"):
        pathlib.Path(scratch, language).mkdir()
        # two files are called reflection.proto: C# keeps them apart by folders of their namespaces
        options = ["--csharp_opt=base_namespace="] if language == "csharp" else []
        protoc.run(f"--{language}_out={scratch}/{language}", *options)
    protoc.run(f"--python_out={scratch}")
    sys.path.insert(0, scratch)
    events = importlib.import_module("cenc.v1.events_pb2")
    records = importlib.import_module("cenc.private.v1.records_pb2")
    return {"cenc.v1.Event": events.Event, "cenc.private.v1.Record": records.Record}


def main():
    samples = subprocess.run([sys.argv[1], "--samples"], check=True, stdout=subprocess.PIPE,
                             text=True).stdout.split("\n")[:-1]
    errors = 0
    with tempfile.TemporaryDirectory() as scratch:
        symbols = generate(scratch)
        for line in samples:
            wrong = compare(line, symbols)
            if wrong:
                errors += 1
                print(f"{wrong}: {line}")
    print(f"{len(samples)} samples, {errors} errors")
    sys.exit(1 if errors or not samples else 0)


if __name__ == "__main__":
    main()
