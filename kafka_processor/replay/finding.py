"""The records of the outputs → the candidates for a replay. Pure: the caller reads the records."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from kafka_processor.config import Settings
from kafka_processor.message_id import Position
from kafka_processor.metrics import topics_of_outcomes
from kafka_processor.outcomes import OUTCOMES
from kafka_processor.replay.candidates import Candidates
from kafka_processor.replay.outcomes import (
    FoundOutcome,
    UnknownForm,
    failed,
    filtered,
    measured,
    processed,
    skipped,
)
from kafka_processor.replay.selection import Selection

PROCESSED: Final = "it was processed, and only failed, filtered and skipped ones are replayed"
RULED_OUT: Final = "the other options rule it out"
REPEAT: Final = "it is a repeat itself: --include-repeats takes it"
NOT_FOUND: Final = "no outcome of it was found"

_RECORDED_ELSEWHERE: Final = {
    outcome for outcome, row in OUTCOMES.items() if row.topic not in (None, "processed_topic")
}
"""Outcomes whose own record says more than the metrics line."""

Reader = Callable[[str, bytes], Iterator[FoundOutcome]]


class Finder:
    """Collects candidates from the outputs, record by record."""

    def __init__(self, settings: Settings, selection: Selection) -> None:
        self._input_topic = settings.input_topic
        self._processed_topic = settings.processed_topic
        self._metrics_topic = settings.metrics_topic
        self._selection = selection
        self.readers = _readers(settings, selection)
        """How to read each of the topics that may have candidates."""
        self.candidates = Candidates()
        """Sort them once everything is read."""
        self.repeats_left_out = 0
        self.unknown_records: Counter[str] = Counter()
        """Records that no daemon writes, by topic."""
        self._why_not: dict[Position, str] = {}

    def read(self, topic: str, value: bytes | None) -> None:
        try:
            for found in self.readers[topic](self._input_topic, value or b""):
                if self._selection.takes_position(*found.position):
                    self._consider(found, is_from_metrics=topic == self._metrics_topic)
        except UnknownForm:
            self.unknown_records[topic] += 1

    @property
    def other_topics(self) -> list[str]:
        """Topics that may contradict a candidate: it was processed, or had another outcome."""
        return [topic for topic in (self._processed_topic, self._metrics_topic) if topic]

    def weigh(self, topic: str, value: bytes | None) -> None:
        """Compares a record of `other_topics` with the candidates, once the input has been read."""
        partitions = self.candidates.partitions
        try:
            if topic == self._processed_topic:
                found = processed(self._input_topic, value or b"")
                if found and found[0][0] in partitions:
                    (partition, offset), content = found
                    partitions[partition].note_processed(offset, content)
                return
            for (partition, offset), record, mark, _ in measured(self._input_topic, value or b""):
                if partition in partitions:
                    partitions[partition].note_line(offset, record.outcome, mark)
        except UnknownForm:
            if topic not in self.readers:  # those are counted already
                self.unknown_records[topic] += 1

    def _consider(self, found: FoundOutcome, *, is_from_metrics: bool) -> None:
        record = found.record
        if is_from_metrics and record.outcome in _RECORDED_ELSEWHERE:
            if not self._selection.takes_outcome(record.outcome):
                self._leave_out(found, RULED_OUT)
        elif record.outcome == "processed":
            self._leave_out(found, PROCESSED)
        elif not self._selection.may_take(record):
            self._leave_out(found, RULED_OUT)
        elif found.is_repeat and not self._selection.include_repeats:
            self.repeats_left_out += 1
            self._leave_out(found, REPEAT)
        else:
            self.candidates.add(found.position, record.outcome, found.mark)

    def _leave_out(self, found: FoundOutcome, why: str) -> None:
        if self._selection.message_ids:
            self._why_not[found.position] = why

    def why_not(self) -> dict[Position, str]:
        """Returns why messages that were named are not candidates."""
        return {
            position: self._why_not.get(position, NOT_FOUND)
            for position in sorted(self._selection.message_ids)
            if self.candidates.state_of(position) is None
        }


def _readers(settings: Settings, selection: Selection) -> dict[str, Reader]:
    topics = {
        topic
        for outcome, topic in topics_of_outcomes(settings).items()
        if selection.takes_outcome(outcome)
    }
    of_topics: dict[str, Reader] = {settings.errors_topic: failed, settings.cleaned_topic: filtered}
    readers = {topic: reader for topic, reader in of_topics.items() if topic in topics}
    if selection.message_ids and settings.metrics_topic:
        readers[settings.metrics_topic] = measured  # processed messages too, to report them
    elif selection.takes_outcome("skipped") and settings.metrics_topic:
        readers[settings.metrics_topic] = skipped
    return readers
