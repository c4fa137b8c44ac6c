"""The steps of a replay: find candidates in the outputs, check them in the input, send them.

The input itself records what was replayed: a message was replayed if and only if a committed copy
of it is there. So the input is checked after this process has taken over the transactional id (no
other replay can send any more) and before it sends anything.
"""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from secrets import token_bytes
from typing import Final

from confluent_kafka import Message

from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError, StoppedError
from kafka_processor.event.headers import original_of
from kafka_processor.message_id import Position
from kafka_processor.replay.candidates import Candidates, State
from kafka_processor.replay.copies import (
    Digester,
    Pace,
    UnreadableHeaders,
    headers_of,
)
from kafka_processor.replay.failures import RecordRefused
from kafka_processor.replay.finding import Finder
from kafka_processor.replay.outcomes import fields_of
from kafka_processor.replay.scanning import STOPPED, Span, TopicScanner
from kafka_processor.replay.selection import Selection
from kafka_processor.replay.sending import CopySender
from kafka_processor.terminal.progress import Progress

MAX_FORGED: Final = 100
"""Forged copies that the report lists."""


class Replay:
    """Methods may raise CannotReadError, ReplayError and StoppedError; committed copies are marked
    SENT by then."""

    def __init__(
        self,
        settings: Settings,
        selection: Selection,
        scanner: TopicScanner,
        progress: Progress,
        stopping: threading.Event,
    ) -> None:
        self._settings = settings
        self._selection = selection
        self._scanner = scanner
        self._progress = progress
        self._stopping = stopping
        self.finder = Finder(settings, selection)
        self.candidates = self.finder.candidates
        self.has_looked = False
        """Whether the input has been checked for the candidates to send."""
        self.forged_copies: dict[Position, None] = {}
        """The first messages that claim to be copies of candidates and are not."""
        self.forged_copies_found = 0
        self._digester = Digester(token_bytes(32))
        self._committed: dict[int, int] | None = None
        """Offsets that the group had committed before the outputs were compared, by partition."""

    def find(self) -> None:
        """Reads the outputs to their ends."""
        self._require_topics()
        self._read_outputs(self.finder.readers, self.finder.read)
        self.candidates.sort()

    def _read_outputs(
        self, topics: Collection[str], take: Callable[[str, bytes | None], object]
    ) -> None:
        what = f"reading {', '.join(topics)}"
        for messages in self._scanner.read(
            self._scanner.spans(topics), lambda done, total: f"{what}: {done:,} of {total:,}"
        ):
            for message in messages:
                value = message.value()
                take(message.topic() or "", value if isinstance(value, bytes) else None)

    def _require_topics(self) -> None:
        settings = self._settings
        existing = self._scanner.existing_topics()
        for name in ("input_topic", "errors_topic", "cleaned_topic", "metrics_topic"):
            topic = getattr(settings, name)
            if topic in (settings.input_topic, *self.finder.readers) and topic not in existing:
                is_metrics = topic == settings.metrics_topic
                hint = "; set it to an empty value if metrics are off" if is_metrics else ""
                raise CannotReadError(
                    f"{name.upper()}: {topic} does not exist, or we may not describe it{hint}"
                )

    def look(self) -> None:
        """Reads the input from the first candidate on, then compares the other outputs."""
        topic = self._settings.input_topic
        self.has_looked = False
        self.forged_copies.clear()
        self.forged_copies_found = 0
        self.candidates.forget_the_input()
        spans = []
        for span in self._scanner.spans([topic]):
            if own := self.candidates.partitions.get(span.partition):
                spans.append(span._replace(start=max(span.start, own.offsets[0])))
        for messages in self._scanner.read(
            spans,
            lambda done, total: f"checking {topic}: {done:,} of {total:,}",
            self._mark_unreadable,
        ):
            for message in messages:
                self._look_at(message)
        self._compare_outputs()
        self.has_looked = True

    def _mark_unreadable(self, partition: int, offsets: range) -> None:
        for offset in offsets:
            self.candidates.set_state((partition, offset), State.UNREADABLE)

    def _compare_outputs(self) -> None:
        """Excludes candidates that other outputs contradict; reads those outputs only once.

        Committed offsets are requested first: messages that the group processes later may have
        outcomes that are not read here, and are not considered to have one.
        """
        if self._committed is None and self.candidates.count(State.WAITING):
            partitions = list(self.candidates.partitions)
            self._committed = self._scanner.committed(self._settings.input_topic, partitions)
            self._read_outputs(self.finder.other_topics, self.finder.weigh)
        self.candidates.settle(self._committed or {})

    def _look_at(self, message: Message) -> None:
        partition, offset = message.partition() or 0, message.offset() or 0
        candidates = self.candidates.partitions[partition]
        original = None
        with suppress(UnreadableHeaders):  # no copy has such headers
            headers = headers_of(message)
            original = original_of(headers, self._settings.input_topic, partition, offset)
        is_candidate = candidates.state_of(offset) is not None
        if not is_candidate and not original:
            return
        value = message.value()
        digest = self._digester.digest(message.key(), value)
        if original and not candidates.note_copy(original[1], digest):
            self.forged_copies_found += 1
            if len(self.forged_copies) < MAX_FORGED:
                self.forged_copies[partition, offset] = None
        if is_candidate:
            kind, timestamp = message.timestamp()
            created = timestamp if kind else None
            candidates.decide(offset, fields_of(value), created, self._selection, digest)
            is_waiting = candidates.state_of(offset) == State.WAITING
            if original and is_waiting and not self._selection.include_repeats:
                # The daemon marks the record of a copy; this record is forged.
                candidates.set_state(offset, State.CONTRADICTED)

    def send(self, rate: float) -> None:
        """Checks the input and sends, at most `rate` messages a second."""
        if not self.candidates.partitions:  # does not fence another replay for nothing
            self.look()
            return
        one_by_one = False
        while True:
            sender = CopySender(self._settings, one_by_one)
            try:
                sender.start(self._stopping)
                self.look()
                self._send_waiting(_Sending(self.candidates, sender, rate, self._stopping))
                return
            except RecordRefused as refusal:
                # The producer cannot be used any more, and after a new one has taken over, the
                # input has to be checked again.
                one_by_one = True
                if refusal.position:
                    self.candidates.set_state(refusal.position, State.REFUSED)
            finally:
                sender.drop()

    def _send_waiting(self, sending: "_Sending") -> None:
        spans = [
            Span(self._settings.input_topic, partition, first, last + 1)
            for partition, first, last in self.candidates.ranges(State.WAITING)
        ]
        try:
            with closing(self._scanner.read(spans, lambda *_: sending.progress())) as reading:
                for messages in reading:
                    for message in messages:
                        self._send_if_waiting(sending, message)
                    sending.commit_if_due()
        except StoppedError:
            sending.commit()
            raise
        sending.commit()
        # Deleted by retention since the input was checked.
        for position in list(self.candidates.positions(State.WAITING)):
            self.candidates.set_state(position, State.MISSING)

    def _send_if_waiting(self, sending: "_Sending", message: Message) -> None:
        position = message.partition() or 0, message.offset() or 0
        if self.candidates.state_of(position) == State.WAITING:
            try:
                headers_of(message)
            except UnreadableHeaders:
                self.candidates.set_state(position, State.REFUSED)
                return
            sending.send(message)
            if self._progress.is_due:
                self._progress.show(sending.progress())


class _Sending:
    """Sends at the given rate, one transaction after the other."""

    def __init__(
        self, candidates: Candidates, sender: CopySender, rate: float, stopping: threading.Event
    ) -> None:
        self._candidates = candidates
        self._sender = sender
        self._pace = Pace(rate)
        self._stopping = stopping
        self._total = candidates.count(State.WAITING) + candidates.count(State.SENT)
        self._sent = candidates.count(State.SENT)

    def send(self, message: Message) -> None:
        """Blocks as the rate demands. Raises ReplayError, RecordRefused, StoppedError."""
        wait = self._pace.wait(time.monotonic())
        self.commit_if_due(within=wait)
        if self._stopping.wait(wait) if wait else self._stopping.is_set():
            raise StoppedError(STOPPED)
        self._sender.send(message)
        self._pace.count(time.monotonic())

    def commit_if_due(self, within: float = 0.0) -> None:
        """`within`: seconds until the next opportunity."""
        if self._sender.is_due(within):
            self.commit()

    def commit(self) -> None:
        for position in self._sender.commit():
            self._candidates.set_state(position, State.SENT)
            self._sent += 1

    def progress(self) -> str:
        return f"sent: {self._sent:,} of {self._total:,}"
