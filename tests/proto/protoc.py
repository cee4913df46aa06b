"""Runs protoc over the .proto files of the tree, for the tests in this folder."""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "codec" / "proto"


def run(*options, folder=FOLDER):
    """protoc over all .proto files below folder; ends the process if it can't."""
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.proto"))
    try:
        result = subprocess.run(["protoc", f"--proto_path={folder}", *options, *paths],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        sys.exit("protoc is missing; install protobuf-compiler")
    if result.returncode != 0 or result.stdout:
        sys.exit(f"protoc: {result.stdout}")


def descriptor_set(folder=FOLDER):
    """All .proto files as a FileDescriptorSet."""
    from google.protobuf import descriptor_pb2
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "set")
        run(f"--descriptor_set_out={path}", folder=folder)
        with open(path, "rb") as file:
            return descriptor_pb2.FileDescriptorSet.FromString(file.read())
