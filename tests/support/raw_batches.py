"""Record batches as no client makes them, sent in a Produce request of Kafka's own protocol.

A batch is made of the bytes that stand behind its header, so that they may be compressed in any
way, or be no records at all as far as the broker lets that pass.
"""

import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from confluent_kafka.admin import AdminClient

from tests.support.waiting import TIMEOUT, wait_until

PRODUCE: Final = 0
VERSION: Final = 7
"""The first one that takes zstd; brokers from 2.1 on know it, 4.x too."""
NOT_LEADER: Final = 6
NO_COMPRESSION, GZIP, SNAPPY, LZ4, ZSTD = range(5)
NO_PRODUCER: Final = (-1, -1, -1)
"""Producer id, epoch and first sequence number of a batch without them."""
CASTAGNOLI: Final = 0x82F63B78
"""The polynomial of CRC-32C, its bits in reverse order."""
MAX_BLOCK: Final = 128 * 1024
"""Bytes that a block of zstd holds at most."""
RAW_BLOCK, RLE_BLOCK = 0, 1

RawHeaders = Sequence[tuple[str | bytes, bytes | None]]
Piece = bytes | tuple[bytes, int]
"""Bytes as they are, or one byte and how often it is repeated."""


def send_batch(admin: AdminClient, topic: str, partition: int, batch: bytes) -> int:
    """Returns the batch's offset once it is written."""
    answers: list[tuple[int, int]] = []

    def is_answered_by_the_leader() -> bool:  # a new topic has it a little later
        answers.append(_produce(admin, topic, partition, batch))
        return answers[-1][0] != NOT_LEADER

    wait_until(is_answered_by_the_leader, f"the leader of {topic}")
    error, offset = answers[-1]
    assert error == 0, f"the broker refused the batch with error {error}"
    return offset


def _produce(admin: AdminClient, topic: str, partition: int, batch: bytes) -> tuple[int, int]:
    """Error and offset."""
    no_transactional_id, all_replicas = -1, -1
    request = b"".join(
        [
            struct.pack(">hhi", PRODUCE, VERSION, 1),
            _string(b"test"),
            struct.pack(">hhi", no_transactional_id, all_replicas, int(TIMEOUT * 1000)),
            struct.pack(">i", 1) + _string(topic.encode()),
            struct.pack(">iii", 1, partition, len(batch)) + batch,
        ]
    )
    cluster = admin.list_topics(topic, timeout=TIMEOUT)
    leader = cluster.brokers[cluster.topics[topic].partitions[partition].leader]
    with socket.create_connection((leader.host, leader.port), TIMEOUT) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            (size,) = struct.unpack(">i", stream.read(4))
            answer = stream.read(size)
    # After correlation id, number of topics, the topic, number of partitions, the partition.
    start = 4 + 4 + len(_string(topic.encode())) + 4 + 4
    error, offset = struct.unpack_from(">hq", answer, start)
    return error, offset


def batch_of(
    payload: bytes,
    records: int,
    codec: int = NO_COMPRESSION,
    timestamp: int = 0,
    producer: tuple[int, int, int] = NO_PRODUCER,
) -> bytes:
    """A batch of message format 2; `payload`: its records, compressed by `codec`.

    `timestamp` in milliseconds, 0: now.
    """
    timestamp = timestamp or time.time_ns() // 1_000_000
    checked = struct.pack(">hiqqqhii", codec, records - 1, timestamp, timestamp, *producer, records)
    checked += payload
    base_offset, leader_epoch, magic = 0, -1, 2
    counted = struct.pack(">ibI", leader_epoch, magic, _crc32c(checked)) + checked
    return struct.pack(">qi", base_offset, len(counted)) + counted


def record_of(
    key: bytes | None, value: bytes | None, headers: RawHeaders = (), offset_delta: int = 0
) -> bytes:
    attributes = timestamp_delta = b"\0"
    parts = [attributes, timestamp_delta, _varint(offset_delta), _bytes(key), _bytes(value)]
    parts.append(_varint(len(headers)))
    for name, held in headers:
        parts += [_bytes(name.encode() if isinstance(name, str) else name), _bytes(held)]
    record = b"".join(parts)
    return _varint(len(record)) + record


def bomb(records: int, size: int) -> bytes:
    """A small batch whose records have values of `size` bytes, all the same byte.

    90 MB make 3 KB, and the client gives them up: it does not know the size beforehand, and makes
    room for three times as much with each try, up to 100 MB (`receive.message.max.bytes`).
    """
    pieces: list[Piece] = []
    for delta in range(records):
        no_key, no_headers = _varint(-1), _varint(0)
        front = b"\0\0" + _varint(delta) + no_key + _varint(size)
        length = _varint(len(front) + size + len(no_headers))
        pieces += [length + front, (b"x", size), no_headers]
    return batch_of(zstd_frame(pieces), records, ZSTD)


def zstd_frame(pieces: Iterable[Piece]) -> bytes:
    """Pieces as blocks of zstd (RFC 8878): raw ones, and such that repeat one byte."""
    without_size, window_of_128_kib = 0x00, 0x38
    frame = [struct.pack("<IBB", 0xFD2FB528, without_size, window_of_128_kib)]
    for piece in pieces:
        frame += _blocks(piece)
    empty_last_block = struct.pack("<I", 1)[:3]
    return b"".join([*frame, empty_last_block])


def _blocks(piece: Piece) -> Iterator[bytes]:
    if isinstance(piece, bytes):
        for start in range(0, len(piece), MAX_BLOCK):
            part = piece[start : start + MAX_BLOCK]
            yield _block_header(RAW_BLOCK, len(part)) + part
        return
    byte, left = piece
    while left:
        size = min(left, MAX_BLOCK)
        yield _block_header(RLE_BLOCK, size) + byte
        left -= size


def _block_header(kind: int, size: int) -> bytes:
    return struct.pack("<I", kind << 1 | size << 3)[:3]


def _string(text: bytes) -> bytes:
    return struct.pack(">h", len(text)) + text


def _bytes(value: bytes | None) -> bytes:
    return _varint(-1) if value is None else _varint(len(value)) + value


def _varint(number: int) -> bytes:
    """Zigzag: the sign is the lowest bit."""
    rest = number << 1 if number >= 0 else ~(number << 1)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ CASTAGNOLI * (crc & 1)
        table.append(crc)
    return table


_CRC_TABLE: Final = _crc_table()


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
