"""Kafka's default partitioning for records with a key, from the description of MurmurHash2."""

from typing import Final

FACTOR: Final = 0x5BD1E995
SEED: Final = 0x9747B28C
WORD: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash as an unsigned 32-bit number."""
    result = SEED ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        block = int.from_bytes(data[at : at + 4], "little") * FACTOR & WORD
        block = (block ^ block >> 24) * FACTOR & WORD
        result = result * FACTOR & WORD ^ block
    if len(data) > whole:
        result = (result ^ int.from_bytes(data[whole:], "little")) * FACTOR & WORD
    result = (result ^ result >> 13) * FACTOR & WORD
    return result ^ result >> 15


def java_partition(key: bytes, partitions: int) -> int:
    """The partition that Kafka's Java producer chooses."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
