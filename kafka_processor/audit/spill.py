"""Entries on disk, by input partition and range of offsets, to bound memory."""

import struct
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from kafka_processor.audit.entries import Entry, Line, Message, Record

BUCKET: Final = 16_384
"""Offsets whose entries are judged together."""
MAX_WAITING: Final = 50_000
"""Entries in memory before they are written to disk."""
MAX_IN_BUCKET: Final = 20_000_000
"""Bytes of output entries in a bucket, which is loaded as a whole. The daemon's outputs take about
2,300,000, so more are forged."""

_HEAD: Final = struct.Struct("<BI")
"""Header of each run of entries of one kind: the kind, the length in bytes."""
_KINDS: Final = (Message, Record, Line)


class Bucket(NamedTuple):
    """All entries of a range of offsets of one input partition, in the order of reading."""

    messages: list[Message]
    records: list[Record]
    lines: list[Line]


class Spill:
    """A temporary folder with one file for each bucket; one file is open at a time.

    A context manager that removes the folder. Raises OSError if the disk is full.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kafka-processor-audit-", dir=folder)
        self._path = Path(self._folder.name)
        self._waiting: defaultdict[tuple[type, int, int], list[Entry]] = defaultdict(list)
        self._count = 0
        self._sizes: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._full: set[tuple[int, int]] = set()
        """Partition and number of buckets that accept no more output entries."""
        self._buckets: set[tuple[int, int]] = set()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoders: list[Any] = [msgspec.msgpack.Decoder(list[kind]) for kind in _KINDS]  # type: ignore[valid-type]
        self.written = 0
        """Bytes in total."""

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, partition: int, entry: Entry) -> bool:
        """Adds an entry; returns False if its bucket is full, which it never is for a message."""
        number = entry.offset // BUCKET
        kind = type(entry)
        if kind is not Message:
            if self._full and (partition, number) in self._full:
                return False
            self._count += len(entry.others)  # type: ignore[union-attr]  # no message is here
        self._waiting[kind, partition, number].append(entry)
        self._count += 1
        if self._count >= MAX_WAITING:
            self._write()
        return True

    def add_run(self, partition: int, messages: list[Message]) -> None:
        """Adds messages in the order of offsets."""
        if messages[0].offset // BUCKET == messages[-1].offset // BUCKET:
            number = messages[0].offset // BUCKET
            self._waiting[Message, partition, number] += messages
            self._count += len(messages)
        else:
            for message in messages:
                self.add(partition, message)

    def _write(self) -> None:
        for (kind, partition, number), entries in self._waiting.items():
            data = self._encode(entries)
            with self._file(partition, number).open("ab") as file:
                file.write(_HEAD.pack(_KINDS.index(kind), len(data)) + data)
            self.written += _HEAD.size + len(data)
            if kind is not Message:
                self._sizes[partition, number] += len(data)
                if self._sizes[partition, number] > MAX_IN_BUCKET:
                    self._full.add((partition, number))
            self._buckets.add((partition, number))
        self._waiting.clear()
        self._count = 0

    def buckets(self, partition: int) -> list[int]:
        """Returns the buckets of a partition that have entries, in the order of offsets."""
        self._write()
        return sorted(number for owner, number in self._buckets if owner == partition)

    def take(self, partition: int, number: int) -> Bucket:
        """Returns the entries of a bucket and deletes it."""
        bucket = Bucket([], [], [])
        file = self._file(partition, number)
        for kind, data in _runs(memoryview(file.read_bytes())):
            bucket[kind].extend(self._decoders[kind].decode(data))
        file.unlink()
        return bucket

    def _file(self, partition: int, number: int) -> Path:
        return self._path / f"{partition}-{number}"


def _runs(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    start = 0
    while start < len(data):
        kind, length = _HEAD.unpack_from(data, start)
        start += _HEAD.size
        yield kind, data[start : start + length]
        start += length
