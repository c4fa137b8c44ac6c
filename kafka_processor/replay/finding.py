"""The records of the outputs → the candidates for a replay. Pure: it is told the records."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from kafka_processor.config import Settings
from kafka_processor.records import ERROR_TYPES
from kafka_processor.replay.candidates import Candidates
from kafka_processor.replay.outcomes import (
    Outcome,
    UnknownForm,
    failed,
    filtered,
    measured,
    processed,
    skipped,
)
from kafka_processor.replay.selection import Position, Selection

PROCESSED: Final = "it was processed, and only failed, filtered and skipped ones are replayed"
RULED_OUT: Final = "the other options rule it out"
REPEAT: Final = "it is a repeat itself: --include-repeats takes it"
NOT_FOUND: Final = "no outcome of it was found"

_TOLD_ELSEWHERE: Final = ERROR_TYPES | {"filtered"}
"""Outcomes that have a record of their own, which tells more than the metrics line."""

Reader = Callable[[str, bytes], Iterator[Outcome]]


class Finder:
    """Goes through the outputs, record by record."""

    def __init__(self, settings: Settings, selection: Selection) -> None:
        self._input_topic = settings.input_topic
        self._processed_topic = settings.processed_topic
        self._metrics_topic = settings.metrics_topic
        self._selection = selection
        self.readers = _readers(settings, selection)
        """The topics to read, and how."""
        self.candidates = Candidates()
        """To be sorted when all is read."""
        self.repeats_left_out = 0
        self.unknown_records: Counter[str] = Counter()
        """Records that are none of ours, by topic."""
        self._why_not: dict[Position, str] = {}

    def read(self, topic: str, value: bytes | None) -> None:
        try:
            for outcome in self.readers[topic](self._input_topic, value or b""):
                if self._selection.takes_position(*outcome.position):
                    self._consider(outcome, is_from_metrics=topic == self._metrics_topic)
        except UnknownForm:
            self.unknown_records[topic] += 1

    @property
    def other_topics(self) -> list[str]:
        """What else tells of the candidates: that they were processed, or failed otherwise."""
        return [topic for topic in (self._processed_topic, self._metrics_topic) if topic]

    def weigh(self, topic: str, value: bytes | None) -> None:
        """Holds a record of those topics against the candidates, once the input was looked at."""
        partitions = self.candidates.partitions
        try:
            if topic == self._processed_topic:
                found = processed(self._input_topic, value or b"")
                if found and found[0][0] in partitions:
                    (partition, offset), content = found
                    partitions[partition].note_processed(offset, content)
                return
            for (partition, offset), told, mark, _ in measured(self._input_topic, value or b""):
                if partition in partitions:
                    partitions[partition].note_line(offset, told.outcome, mark)
        except UnknownForm:
            if topic not in self.readers:  # else it is counted already
                self.unknown_records[topic] += 1

    def _consider(self, outcome: Outcome, *, is_from_metrics: bool) -> None:
        told = outcome.told
        if is_from_metrics and told.outcome in _TOLD_ELSEWHERE:
            if not self._selection.takes_outcome(told.outcome):
                self._leave_out(outcome, RULED_OUT)
        elif told.outcome == "processed":
            self._leave_out(outcome, PROCESSED)
        elif not self._selection.may_take(told):
            self._leave_out(outcome, RULED_OUT)
        elif outcome.is_repeat and not self._selection.include_repeats:
            self.repeats_left_out += 1
            self._leave_out(outcome, REPEAT)
        else:
            self.candidates.add(outcome.position, told.outcome, outcome.mark)

    def _leave_out(self, outcome: Outcome, why: str) -> None:
        if self._selection.message_ids:
            self._why_not[outcome.position] = why

    def why_not(self) -> dict[Position, str]:
        """The messages that were named and are no candidates, and why."""
        return {
            position: self._why_not.get(position, NOT_FOUND)
            for position in sorted(self._selection.message_ids)
            if self.candidates.state_of(position) is None
        }


def _readers(settings: Settings, selection: Selection) -> dict[str, Reader]:
    readers: dict[str, Reader] = {}
    if any(map(selection.takes_outcome, ERROR_TYPES)):
        readers[settings.errors_topic] = failed
    if selection.takes_outcome("filtered"):
        readers[settings.cleaned_topic] = filtered
    if selection.message_ids and settings.metrics_topic:
        readers[settings.metrics_topic] = measured  # of what was processed too, to say so
    elif selection.takes_outcome("skipped") and settings.metrics_topic:
        readers[settings.metrics_topic] = skipped
    return readers
