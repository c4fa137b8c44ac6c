"""What the pure core costs a message: `python -m bench.core`, a step of `.ci/run`.

The core is compared with a plain loop of the same kind, in turns, so that the machine, its load and
the Python cancel out: the library calls that the work takes, and some plain calls, texts and lists.
Then what a byte of messages costs that are made to be slow: nobody who may write to the input may
stop the rest with one message.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from socket import AF_INET, inet_pton
from statistics import median
from typing import Final

import msgspec
from confluent_kafka import Message

from bench.hostile_values import shapes
from dev.logins import LoginEvents, Shares
from kafka_processor.config import load_settings
from kafka_processor.metrics import MessageMetrics
from kafka_processor.pipeline import Pipeline

EXPECTED_RATIO: Final = 1.72
"""Core to plain loop as measured when the core was last made faster or slower on purpose; from 1.67
to 1.8 on Python 3.10 to 3.13."""
ALLOWED: Final = 1.3
"""A ratio that is this many times the expected one is a regression."""
MESSAGES: Final = 5_000
AT_A_TIME: Final = 1_000
ROUNDS: Final = 60
NOW: Final = 1_780_000_000_000
HOSTILE_SIZES: Final = (1_000_000, 30_000)
"""Bytes; messages of up to 32 KiB are read in another way."""
HOSTILE_ROUNDS: Final = 5
ALLOWED_A_BYTE: Final = 100
"""Nanoseconds."""


class _Event(msgspec.Struct, gc=False):
    user_id: str
    ip: str
    device_id: str
    app_version: str
    device_type: str
    timestamp: int | float | str
    locale: str


def main() -> int:
    """Prints the costs of ordinary and of hostile messages; 1 if either is too high."""
    return max(_compare(), _measure_hostile())


def _compare() -> int:
    values = _values()
    core, plain = _core(values), _plain(values)
    costs = [(_seconds(core), _seconds(plain)) for _ in range(ROUNDS)]
    ratio = median(mine / reference for mine, reference in costs)
    mine, reference = (min(column) / MESSAGES * 1e6 for column in zip(*costs, strict=True))
    print(
        f"pure core: {mine:.2f} µs a message, the plain loop {reference:.2f} µs; "
        f"ratio {ratio:.2f}, expected {EXPECTED_RATIO:.2f}"
    )
    if ratio > EXPECTED_RATIO * ALLOWED:
        print(
            f"error: the core has become {ratio / EXPECTED_RATIO:.0%} of what it was; profile "
            "Pipeline.work, or set EXPECTED_RATIO in bench/core.py if that is intended",
            file=sys.stderr,
        )
        return 1
    return 0


def _measure_hostile() -> int:
    """A table by the costs of a byte, highest first."""
    pipeline = Pipeline(load_settings({"MAX_MESSAGE_AGE": "0"}), bytes(range(32)))
    rows = []
    for shape, build in shapes():
        values = [build(size) for size in HOSTILE_SIZES]
        rows.append(([_nanoseconds_a_byte(pipeline, value) for value in values], shape))
    rows.sort(key=lambda row: max(row[0]), reverse=True)
    print(f"\n{len(rows)} hostile messages, ns a byte (allowed: {ALLOWED_A_BYTE}):")
    print("".join(f"{size:>10,} B" for size in HOSTILE_SIZES))
    for costs, shape in rows:
        print("".join(f"{cost:12.1f}" for cost in costs), f" {shape}")
    worst = rows[0]
    if max(worst[0]) > ALLOWED_A_BYTE:
        print(f"error: a byte costs too much in: {worst[1]}", file=sys.stderr)
        return 1
    return 0


def _nanoseconds_a_byte(pipeline: Pipeline, value: bytes) -> float:
    one = Message(topic="user-login", partition=1, offset=1, value=value, timestamp=(1, NOW))
    seconds = min(_seconds(lambda: pipeline.work(1, [one], NOW, {})) for _ in range(HOSTILE_ROUNDS))
    return seconds / len(value) * 1e9


def _values() -> list[bytes]:
    events = LoginEvents(1, Shares(faulty=0, old=0, filtered=0, ipv6=0))
    values = [events.next(NOW / 1000).value for _ in range(MESSAGES)]
    return [value for value in values if value]


def _core(values: list[bytes]) -> Callable[[], None]:
    """Decode, check, transform, encode, and write the metrics of all messages."""
    settings = load_settings({"MAX_MESSAGE_AGE": "0"})
    pipeline = Pipeline(settings, b"\x0b" * 32)
    messages = [
        Message(topic="user-login", partition=1, offset=number, value=value, timestamp=(1, NOW))
        for number, value in enumerate(values)
    ]

    def work() -> None:
        for start in range(0, MESSAGES, AT_A_TIME):
            done = pipeline.work(1, messages[start : start + AT_A_TIME], NOW + 40, {})
            list(MessageMetrics.records(done.lines, 0.00001, NOW))

    return work


def _plain(values: list[bytes]) -> Callable[[], None]:
    decode = msgspec.json.Decoder(_Event).decode
    encode = msgspec.json.Encoder().encode
    inner, outer = hashlib.sha256(bytes(64)), hashlib.sha256(bytes(64))

    def digest(text: str) -> str:
        first = inner.copy()
        first.update(text.encode())
        second = outer.copy()
        second.update(first.digest())
        return second.hexdigest()

    def cut(text: str) -> str:
        inet_pton(AF_INET, text)
        return text[: text.rindex(".")] + ".0"

    def describe(number: int, event: _Event) -> str:
        return f"user-login-1-{number} {event.device_type} {event.locale} {event.app_version}"

    def convert(number: int, value: bytes) -> tuple[str, bytes]:
        event = decode(value)
        event.device_id = digest(event.device_id)
        event.ip = cut(event.ip)
        return describe(number, event), encode(event)

    def work() -> None:
        for start in range(0, MESSAGES, AT_A_TIME):
            texts: list[str] = []
            records: list[tuple[str, bytes]] = []
            for number, value in enumerate(values[start : start + AT_A_TIME]):
                text, record = convert(number, value)
                texts.append(text)
                records.append((text, record))

    return work


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


if __name__ == "__main__":
    sys.exit(main())
