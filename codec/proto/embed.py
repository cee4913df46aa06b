"""Writes a file as the C array `proto_descriptor_set`. usage: embed.py FILE OUT.c"""

import sys


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write('#include "codec/proto/descriptors.h"\n\nconst uint8_t proto_descriptor_set[] = {')
        for at in range(0, len(data), 16):
            out.write("\n    " + " ".join(f"0x{byte:02x}," for byte in data[at:at + 16]))
        out.write(f"}};\nconst size_t proto_descriptor_set_size = {len(data)};\n")


main()
