"""A message with header names that are any bytes, which the Python client cannot write.

Kafka's own protocol: a Produce request with one record batch (magic 2) that holds one record.
"""

import socket
import struct
import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka.admin import AdminClient

from tests.support.waiting import TIMEOUT

PRODUCE: Final = 0
VERSION: Final = 3
"""The first one that takes headers; brokers from 0.11 on know it, 4.x too."""
OFTEN: Final = 200
"""Messages after which Python has specialized the calls that are made for each of them."""
CASTAGNOLI: Final = 0x82F63B78
"""The polynomial of CRC-32C, its bits in reverse order."""

RawHeaders = Sequence[tuple[str | bytes, bytes | None]]


def send_with_raw_headers(
    admin: AdminClient,
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    headers: RawHeaders,
    timestamp: int = 0,
) -> None:
    """Returns once it is written; `timestamp` in milliseconds, 0: now."""
    batch = _batch(_record(key, value, headers), timestamp or time.time_ns() // 1_000_000)
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
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + len(_string(topic.encode())) + 4 + 4)
    assert error == 0, f"the broker refused the message with error {error}"


def _batch(record: bytes, timestamp: int) -> bytes:
    attributes = last_offset_delta = 0
    no_producer = -1
    checked = struct.pack(
        ">hiqqqhii",
        attributes,
        last_offset_delta,
        timestamp,
        timestamp,
        no_producer,
        no_producer,
        no_producer,
        1,
    )
    checked += record
    base_offset, leader_epoch, magic = 0, -1, 2
    counted = struct.pack(">ibI", leader_epoch, magic, _crc32c(checked)) + checked
    return struct.pack(">qi", base_offset, len(counted)) + counted


def _record(key: bytes | None, value: bytes | None, headers: RawHeaders) -> bytes:
    attributes = timestamp_delta = offset_delta = b"\0"
    parts = [attributes, timestamp_delta, offset_delta, _bytes(key), _bytes(value)]
    parts.append(_varint(len(headers)))
    for name, held in headers:
        parts += [_bytes(name.encode() if isinstance(name, str) else name), _bytes(held)]
    record = b"".join(parts)
    return _varint(len(record)) + record


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


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ CASTAGNOLI * (crc & 1)
    return crc ^ 0xFFFFFFFF
