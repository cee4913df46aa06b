"""Segments of the journal, written anew from server/journal/record.h, so that what reads them is
checked against the description and not against itself."""

import struct
import time

EVENT, PRIVATE, SEAL = 1, 2, 0
HEADER_SIZE = 72
SEED = 0x5EED1234
TABLE = []
for value in range(256):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def crc32c(data, seed=0):
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def name(first, attempt=0):
    return f"{first:020}-{attempt:04}.seg"


def header(first, node="test", created_ms=1700000000000, batch=0):
    """batch: so many records at its beginning are one, and count from 0 in place of a sequence."""
    start = b"CENCJRN1" + struct.pack("<I", 2 if batch else 1)
    end = struct.pack("<QQ32sII", first, created_ms, node.encode(), SEED, batch)
    return start + struct.pack("<I", crc32c(start + end)) + end


def record(sequence, committed, payload, kind=EVENT):
    size = struct.pack("<I", len(payload))
    rest = struct.pack("<QQB7x", sequence, committed, kind) + payload
    data = size + struct.pack("<I", crc32c(size + rest, SEED)) + rest
    return data + bytes(-len(data) % 8)


def seal(last):
    return record(last + 1, last, b"", SEAL)


def varint(number):
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes(data) + bytes([number])


def field(number, value):
    """A field of a protobuf message: a number, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def replace(folder, first):
    """Another journal in place of the one there: three events, from this sequence on."""
    for path in folder.glob("*.seg"):
        path.unlink()
    event = field(2, b"test") + field(92, field(1, b"1"))
    data = header(first, created_ms=int(time.time() * 1000))
    data += b"".join(record(first + i, 0, event) for i in range(3))
    (folder / name(first)).write_bytes(data)
