"""The hostile inputs: what each puts into the input topic, and which topic settings it meets."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from random import Random
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

Values = Callable[[], Iterator[bytes]]

_EVENT: Final = (
    b'"user_id": "424cdd21-063a-43a7-b91b-7ca1a833afae", "app_version": "2.3.0", '
    b'"device_type": "android", "ip": "199.172.111.135", "locale": "RU", '
    b'"device_id": "593-47-5928", "timestamp": 1694479551'
)
GOOD: Final = b"{" + _EVENT + b"}"
"""An event as it should be; one follows each hostile input, and must come out."""


@dataclass(frozen=True)
class HostileInput:
    """`records_a_batch`: how many records the producer compresses together."""

    name: str
    values: Values
    compression: str = "none"
    records_a_batch: int = 1
    input_config: Mapping[str, str] = field(default_factory=dict)
    """Settings of the input topic."""
    processed_config: Mapping[str, str] = field(default_factory=dict)
    """Settings of the topic for processed events."""


def _repeated(value: bytes, times: int) -> Values:
    return lambda: repeat(value, times)


def _filled(start: bytes, piece: bytes, end: bytes, size: int) -> bytes:
    """As many pieces as make up `size` bytes."""
    return start + piece * ((size - len(start) - len(end)) // len(piece)) + end


def _event_with(field_value: bytes) -> bytes:
    """A good event with one more field, which is not a listed one."""
    return b"{" + _EVENT + b', "x": ' + field_value + b"}"


def _long_strings() -> bytes:
    """An event of 20 kB, most of it in strings that are published and as long as they may be.

    Random, so that no compression makes it fit where it is too large.
    """
    random = Random(1)

    def longest() -> str:
        return "".join(chr(random.randrange(0x10000, 0x20000)) for _ in range(1024))

    return (
        f'{{"user_id": "{longest()}", "app_version": "2.3.0", "device_type": "{longest()}", '
        f'"ip": "199.172.111.135", "locale": "{longest()}", "device_id": "{longest()}", '
        f'"timestamp": 1694479551, "filling": "{longest()}"}}'
    ).encode()


def _long_events() -> Iterator[bytes]:
    yield from repeat(_long_strings(), 20_000)


def _one_in_a_hundred_too_large() -> Iterator[bytes]:
    large = _long_strings()
    for number in range(20_000):
        yield large if number % 100 == 50 else GOOD


def _gzip_bomb() -> Iterator[bytes]:
    yield _event_with(_filled(b"[", b"{},", b"0]", 300 * MIB))


_STRINGS: Final = _event_with(_filled(b'"', b"a", b'"', MIB - 512))

INPUTS: Final = (
    HostileInput("1 zstd record of 90 MB", _repeated(bytes(90 * MIB), 1), "zstd"),
    HostileInput("60 zstd records of 45 MB", _repeated(bytes(45 * MIB), 60), "zstd"),
    HostileInput(
        "1 zstd batch of 10,000 records of 5 kB",
        _repeated(_event_with(_filled(b'"', b"a", b'"', 5_000)), 10_000),
        "zstd",
        records_a_batch=10_000,
    ),
    HostileInput("1 lz4 record of 200 MB", _repeated(bytes(200 * MIB), 1), "lz4"),
    HostileInput("20 snappy records of 15 MB", _repeated(bytes(15 * MIB), 20), "snappy"),
    HostileInput("200 zstd records of 10 MB", _repeated(bytes(10 * MIB), 200), "zstd"),
    HostileInput(
        "200 zstd records of 10 MB, compression.type=uncompressed",
        _repeated(bytes(10 * MIB), 200),
        "zstd",
        input_config={"compression.type": "uncompressed"},
    ),
    HostileInput("1 gzip record of 300 MB", _gzip_bomb, "gzip"),
    HostileInput(
        "1 gzip record of 300 MB, compression.type=uncompressed",
        _gzip_bomb,
        "gzip",
        input_config={"compression.type": "uncompressed"},
    ),
    HostileInput(
        "1 gzip record of 300 MB, compression.type=snappy",
        _gzip_bomb,
        "gzip",
        input_config={"compression.type": "snappy"},
    ),
    HostileInput("1,000 records of 1 MB", _repeated(_STRINGS, 1_000)),
    HostileInput(
        "10 records of 1 MB of 1e308",
        _repeated(_event_with(_filled(b"[", b"1e308,", b"0]", MIB - 512)), 10),
    ),
    HostileInput(
        "10 records of 1 MB of nesting",
        _repeated(_event_with(_filled(b"", b"[", b"", MIB - 512)), 10),
    ),
    HostileInput(
        "10 records of 1 MB of escapes",
        _repeated(_event_with(_filled(b'"', b"\\u0001", b'"', MIB - 512)), 10),
    ),
    HostileInput(
        "10 records of 1 MB of one name again and again",
        _repeated(_filled(b"{" + _EVENT, b',"user_id":1', b"}", MIB - 512), 10),
    ),
    HostileInput(
        "10 records of 1 MB of braces", _repeated(_filled(b"", b"{},", b"", MIB - 512), 10)
    ),
    HostileInput("100,000 records without a value", _repeated(b"", 100_000), records_a_batch=5_000),
    HostileInput(
        "20,000 records of 20 kB, all of which is published",
        _long_events,
        records_a_batch=40,
    ),
    HostileInput(
        "20,000 records, 1% too large for their topic",
        _one_in_a_hundred_too_large,
        records_a_batch=40,
        processed_config={"max.message.bytes": "5000"},
    ),
)
