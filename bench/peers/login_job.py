"""The job of the daemon for one message at a time, so that peers are compared as frameworks.

The rules are the product's own pure functions; nothing here knows a Kafka client. A peer calls
`work` for each message, publishes the record it returns, and before each of its commits publishes
`take_records`, which has the metrics lines and summaries of what was worked on since the last.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from kafka_processor.checks import Rejection, is_too_old, read_event
from kafka_processor.config import Settings, load_settings
from kafka_processor.errors import SettingsError
from kafka_processor.message_id import id_at
from kafka_processor.metrics import MessageMetrics
from kafka_processor.outcomes import Outcome
from kafka_processor.pipeline import Pipeline, Work
from kafka_processor.records import OutputRecord, ProcessedRecord, encode
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.transformer import Pseudonymizer, transform_message

READY: Final = "Kafka Consumer has started..."
_KAFKA_CREATE_TIME: Final = 1
_NO_TIMESTAMP: Final = 0


class _Single(NamedTuple):
    """One message as the pipeline takes it."""

    position: int
    content: bytes | None
    created: int | None
    header_list: Any

    def offset(self) -> int:
        return self.position

    def value(self) -> bytes | None:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return (_NO_TIMESTAMP, 0) if self.created is None else (_KAFKA_CREATE_TIME, self.created)

    def headers(self) -> Any:
        return self.header_list


@dataclass
class _Run:
    """What was worked on of one partition since `take_records`."""

    next_offset: int
    lines: list[str] = field(default_factory=list)
    device_types: list[str] = field(default_factory=list)
    """Of each processed message."""
    locales: list[str] = field(default_factory=list)
    others: Counter[Outcome] = field(default_factory=Counter)
    """Outcomes other than processed."""
    replayed: int = 0

    def as_work(self) -> Work:
        outcomes: Counter[Outcome] = Counter(self.others)
        if self.device_types:
            outcomes["processed"] = len(self.device_types)
        return Work(
            next_offset=self.next_offset,
            lines=self.lines,
            outcomes=outcomes,
            device_types=Counter(self.device_types),
            locales=Counter(self.locales),
            replayed=self.replayed,
        )


class LoginJob:
    """Counts are kept in memory: they begin anew with the process, and with `forget`."""

    def __init__(self, settings: Settings) -> None:
        if settings.key is None:
            raise SettingsError(["DEVICE_ID_KEY: not set"])
        self._settings = settings
        self._accepted = settings.accepted_app_versions
        self._max_age = settings.max_message_age * 1000
        self._pipeline = Pipeline(settings, settings.key)
        self._pseudonymizer = Pseudonymizer(settings.key)
        self._line = MessageMetrics(settings).line
        self._summary = SummaryPrinter(settings, self._pseudonymizer.key_id)
        self._counted: set[int] = set()
        self._runs: dict[int, _Run] = {}
        self._nanoseconds = 0

    def work(
        self,
        partition: int,
        offset: int,
        timestamp: int | None,
        value: bytes | None,
        headers: Any = None,
    ) -> OutputRecord | None:
        """The record of a message, or None if it is skipped; `timestamp` in milliseconds."""
        began = time.time_ns()
        now = began // 1_000_000
        run = self._runs.get(partition)
        if run is None:
            run = self._runs[partition] = self._new_run(partition, offset)
        age = None if timestamp is None else now - timestamp
        if not headers and not is_too_old(age, self._max_age):
            event = read_event(value, self._settings.max_message_bytes)
            if not isinstance(event, Rejection) and event.app_version in self._accepted:
                message_id = id_at(self._settings.input_topic, partition, offset)
                result = transform_message(event, message_id, self._pseudonymizer)
                if type(result) is ProcessedRecord:
                    run.next_offset = offset + 1
                    run.device_types.append(result.device_type)
                    run.locales.append(result.locale)
                    run.lines.append(self._line(message_id, "processed", age, UNSET))
                    record = (
                        self._settings.processed_topic,
                        result.user_id.encode(),
                        encode(result),
                    )
                    self._nanoseconds += time.time_ns() - began
                    return record
        message = _Single(offset, value, timestamp, headers)
        unusual = self._work_unusual(run, partition, message, now)
        self._nanoseconds += time.time_ns() - began
        return unusual

    def _work_unusual(
        self, run: _Run, partition: int, message: _Single, now: int
    ) -> OutputRecord | None:
        work = self._pipeline.work(partition, (message,), now, {})
        run.next_offset = work.next_offset
        run.lines += work.lines
        run.device_types += work.device_types.elements()
        run.locales += work.locales.elements()
        run.others.update(work.outcomes)
        del run.others["processed"]
        run.replayed += work.replayed
        return work.records[0] if work.records else None

    def _new_run(self, partition: int, offset: int) -> _Run:
        if partition not in self._counted:
            self._counted.add(partition)
            self._summary.restore(partition, None, None, offset, time.monotonic())
        return _Run(offset)

    @property
    def next_offsets(self) -> dict[int, int]:
        """By partition: what a commit of all that was worked on since `take_records` says."""
        return {partition: run.next_offset for partition, run in self._runs.items()}

    def take_records(self, *, is_last: bool = False) -> Iterator[OutputRecord]:
        """Metrics, and the summaries that are due, of all that was worked on since the last call.

        To be called, and read to its end, for each commit. `is_last`: all summaries are due.
        """
        runs, self._runs = self._runs, {}
        spent, self._nanoseconds = self._nanoseconds, 0
        now = time.time_ns() // 1_000_000
        for partition, run in runs.items():
            self._summary.add(partition, run.as_work(), time.monotonic())
        lines = [line for run in runs.values() for line in run.lines]
        if lines and self._settings.metrics_topic:
            share = spent / 1e9 / len(lines)
            for value in MessageMetrics.records(lines, share, now):
                yield self._settings.metrics_topic, None, value
        if is_last or self._summary.is_due(time.monotonic()):
            yield from self._summary.publish(self._counted, now)

    def forget(self, partitions: Iterable[int]) -> None:
        """Partitions that come, or come back: what was counted of them is not the whole."""
        gone = set(partitions)
        self._summary.forget(gone)
        self._counted -= gone
        for partition in gone:
            self._runs.pop(partition, None)


def peer_settings() -> Settings:
    """The daemon's settings, from the environment. Ends the process if they are wrong."""
    try:
        return load_settings(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def only_at_least_once(settings: Settings, name: str) -> None:
    """Ends the process if the peer is asked for what it does not have."""
    if settings.delivery == "exactly-once":
        print(f"{name} does not offer DELIVERY=exactly-once", file=sys.stderr)
        sys.exit(2)


def announce() -> None:
    print(READY, flush=True)
