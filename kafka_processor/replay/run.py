"""The way of a replay: find candidates in the outputs, look at the input, send.

The record of what was replayed is the input itself: a message was replayed if and only if a
committed copy of it is there. So the look at the input comes after the transactional id was taken
over (nobody else can send any more), and before anything is sent.
"""

import threading
import time
from contextlib import closing, suppress
from secrets import token_bytes
from typing import Final

from confluent_kafka import Message

from kafka_processor.config import Settings
from kafka_processor.errors import ReplayError, StoppedError
from kafka_processor.replay.candidates import Candidates, State
from kafka_processor.replay.copies import (
    Digester,
    Pace,
    UnreadableHeaders,
    headers_of,
    original_of,
)
from kafka_processor.replay.failures import RecordRefused
from kafka_processor.replay.finding import Finder
from kafka_processor.replay.outcomes import fields_of
from kafka_processor.replay.progress import Progress
from kafka_processor.replay.scanning import Span, TopicScanner
from kafka_processor.replay.selection import Position, Selection
from kafka_processor.replay.sending import CopySender

MAX_FORGED: Final = 100
"""Forged copies that are named."""


class Replay:
    """Every method may raise ReplayError and StoppedError; what is committed then is marked SENT."""

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
        """Whether it is known which of the candidates are to be sent."""
        self.forged_copies: dict[Position, None] = {}
        """Messages that say to be copies of candidates and are not, the first of them."""
        self.forged_copies_found = 0
        self._digester = Digester(token_bytes(32))
        self._committed: dict[int, int] | None = None
        """What the group had committed before the outputs were weighed."""

    def find(self) -> None:
        """Reads the outputs to their end."""
        topics = self.finder.readers
        self._demand_topics()
        what = f"reading {', '.join(topics)}"
        for messages in self._scanner.read(
            self._scanner.spans(topics), lambda done, total: f"{what}: {done:,} of {total:,}"
        ):
            for message in messages:
                value = message.value()
                self.finder.read(message.topic() or "", value if isinstance(value, bytes) else None)
        self.candidates.sort()

    def _demand_topics(self) -> None:
        settings = self._settings
        existing = self._scanner.existing_topics()
        for name in ("input_topic", "errors_topic", "cleaned_topic", "metrics_topic"):
            topic = getattr(settings, name)
            if topic in (settings.input_topic, *self.finder.readers) and topic not in existing:
                is_metrics = topic == settings.metrics_topic
                hint = "; set it to nothing if metrics are off" if is_metrics else ""
                raise ReplayError(
                    f"{name.upper()}: {topic} is not there, or not for us to see{hint}"
                )

    def look(self) -> None:
        """Reads the input from the first candidate on, and what else the outputs tell of them."""
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
            lambda done, total: f"looking through {topic}: {done:,} of {total:,}",
            self._note_unreadable,
        ):
            for message in messages:
                self._look_at(message)
        self._weigh()
        self.has_looked = True

    def _note_unreadable(self, partition: int, offsets: range) -> None:
        for offset in offsets:
            self.candidates.set_state((partition, offset), State.UNREADABLE)

    def _weigh(self) -> None:
        """Takes out what other outputs contradict; they are read once, however often we look.

        The committed offsets are asked for first: what the group processes from then on may have
        an outcome that is not read any more, and is not believed to have one.
        """
        if self._committed is None and self.candidates.count(State.WAITING):
            partitions = list(self.candidates.partitions)
            self._committed = self._scanner.committed(self._settings.input_topic, partitions)
            topics = self.finder.other_topics
            what = f"reading {', '.join(topics)}"
            for messages in self._scanner.read(
                self._scanner.spans(topics), lambda done, total: f"{what}: {done:,} of {total:,}"
            ):
                for message in messages:
                    value = message.value()
                    raw = value if isinstance(value, bytes) else None
                    self.finder.weigh(message.topic() or "", raw)
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
                # The daemon's record of a repeat says that it is one: this one is a stranger's.
                candidates.set_state(offset, State.CONTRADICTED)

    def send(self, rate: float) -> None:
        """Looks and sends, at most `rate` messages a second."""
        if not self.candidates.partitions:  # then nobody is shut out
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
                # Its producer is of no use any more, and after a new one took over all is to be
                # looked at anew.
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
                    sending.commit_if_due(time.monotonic())
        except StoppedError:
            sending.commit()
            raise
        sending.commit()
        # What retention took away since the look.
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
    """The sending itself: at its pace, a transaction after the other."""

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
        """Raises ReplayError, RecordRefused, StoppedError."""
        now = time.monotonic()
        wait = self._pace.wait(now)
        self.commit_if_due(now + wait)
        if self._stopping.wait(wait) if wait else self._stopping.is_set():
            raise StoppedError
        self._sender.send(message)
        self._pace.count(time.monotonic())

    def commit_if_due(self, at: float) -> None:
        """`at`, of the monotonic clock: when there will be another chance to."""
        if self._sender.is_due(at):
            self.commit()

    def commit(self) -> None:
        for position in self._sender.commit():
            self._candidates.set_state(position, State.SENT)
            self._sent += 1

    def progress(self) -> str:
        return f"sent: {self._sent:,} of {self._total:,}"
