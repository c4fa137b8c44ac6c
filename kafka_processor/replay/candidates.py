"""The messages that may be replayed, and what is known about each: 44 bytes a message.

A record that names a message proves nothing: anyone who may write to an output can write one. So
everything known about a message is compared, and a message is not sent if it is contradictory.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Final

from kafka_processor.message_id import Position
from kafka_processor.outcomes import OUTCOMES
from kafka_processor.replay.outcomes import NO_TIME, is_same_message, passed_on
from kafka_processor.replay.selection import REPLAYABLE, Selection

_CODES: Final[dict[str, int]] = {outcome: code for code, outcome in enumerate(REPLAYABLE)}
_BITS: Final[dict[str, int]] = {outcome: 1 << bit for bit, outcome in enumerate(OUTCOMES)}
"""In the set of outcomes that the metrics report for a message."""
_IN_OUTPUT: Final = 1 << len(OUTCOMES)
"""In the same set: processed-output has a record of the message."""


class State(IntEnum):
    """What is known about a candidate."""

    MISSING = 0
    """Not found in the input, or not yet."""
    REPLACED = 1
    """Another message is at its position."""
    NOT_CHOSEN = 2
    """The message itself does not match the selection."""
    WAITING = 3
    """Found and chosen: to be sent."""
    REPEATED = 4
    """The input holds a committed copy of it."""
    SENT = 5
    """By this run."""
    REFUSED = 6
    """The broker rejects its copy, or the client cannot make one."""
    UNREADABLE = 7
    """It is there, but the client cannot read it."""
    CONTRADICTED = 8
    """Another record says that it was processed, or failed in another way."""
    PENDING = 9
    """The group has not read it yet, so the record about it is forged."""


GONE: Final = (State.MISSING, State.REPLACED)
_FINAL: Final = (State.SENT, State.REFUSED)
_SAME_AS_BEFORE: Final = 255


class PartitionCandidates:
    """The candidates of one input partition, in the order of their offsets after `sort`."""

    def __init__(self) -> None:
        self.offsets = array("q")
        self._outcomes = bytearray()
        self._marks = array("q")
        self._states = bytearray()
        # The columns below are about the message found at an offset, and stand at its first record.
        self._matching = bytearray()
        """How many records, from the first on, are about this very message; at most 255."""
        self._created = array("q")
        self._passed_on = array("q")
        self._digests = array("q")
        self._reported = array("H")
        """What processed-output and the metrics report, as _BITS and _IN_OUTPUT."""

    def add(self, offset: int, outcome: str, mark: int) -> None:
        self.offsets.append(offset)
        self._outcomes.append(_CODES[outcome])
        self._marks.append(mark)
        self._states.append(State.MISSING)

    def sort(self) -> None:
        order = sorted(range(len(self.offsets)), key=self.offsets.__getitem__)
        self.offsets = array("q", map(self.offsets.__getitem__, order))
        self._outcomes = bytearray(map(self._outcomes.__getitem__, order))
        self._marks = array("q", map(self._marks.__getitem__, order))
        for index in range(1, len(self.offsets)):
            if self.offsets[index] == self.offsets[index - 1]:
                self._states[index] = _SAME_AS_BEFORE
        self._matching = bytearray(len(order))
        self._reported = array("H", bytes(2 * len(order)))
        self._created, self._passed_on, self._digests = (
            array("q", bytes(8 * len(order))) for _ in range(3)
        )

    def forget_the_input(self) -> None:
        """Resets what was found in the input; what this run sent or was refused stays."""
        for index, state in enumerate(self._states):
            if state != _SAME_AS_BEFORE and state not in _FINAL:
                self._states[index] = State.MISSING

    def state_of(self, offset: int) -> State | None:
        """Returns None if it is not a candidate."""
        index = self._find(offset)
        return None if index is None else State(self._states[index])

    def set_state(self, offset: int, state: State) -> None:
        index = self._find(offset)
        if index is not None:
            self._states[index] = state

    def decide(
        self,
        offset: int,
        fields: Mapping[str, Any] | None,
        created: int | None,
        selection: Selection,
        digest: int = 0,
    ) -> None:
        """Judges the message found at a candidate's position; `digest`: of its key and value."""
        first = self._find(offset)
        if first is None or self._states[first] in _FINAL:
            return
        # Several records have one id if a topic was recreated, or some are forged.
        matching = first
        for index in range(first, bisect_right(self.offsets, offset)):
            outcome = REPLAYABLE[self._outcomes[index]]
            if is_same_message(outcome, self._marks[index], fields, created):
                self._swap(matching, index)
                matching += 1
        if matching == first:
            self._states[first] = State.REPLACED
            return
        self._matching[first] = min(matching - first, 255)
        self._created[first] = NO_TIME if created is None else created
        self._passed_on[first] = passed_on(fields)
        self._digests[first] = digest
        is_chosen = selection.takes_message(fields, created)
        self._states[first] = State.WAITING if is_chosen else State.NOT_CHOSEN

    def _swap(self, one: int, other: int) -> None:
        for column in (self._outcomes, self._marks):
            column[one], column[other] = column[other], column[one]

    def note_copy(self, offset: int, digest: int = 0) -> bool:
        """Takes a message that claims to be a copy of this one; returns False if it is not.

        If the message itself is gone there is nothing to compare, and nothing to send.
        """
        index = self._find(offset)
        if index is None or self._states[index] == State.REPLACED:
            return True
        if self._states[index] == State.MISSING:
            self._states[index] = State.REPEATED
        elif digest != self._digests[index]:
            return False
        elif self._states[index] == State.WAITING:
            self._states[index] = State.REPEATED
        return True

    def note_processed(self, offset: int, content: int) -> None:
        """Takes a record of processed-output; `content`: its `passed_on` hash."""
        index = self._find(offset)
        if index is not None and self._matching[index] and self._passed_on[index] == content:
            self._reported[index] |= _IN_OUTPUT

    def note_line(self, offset: int, outcome: str, mark: int) -> None:
        """Takes a metrics line."""
        index = self._find(offset)
        if index is None or not self._matching[index] or outcome not in _BITS:
            return
        created = None if self._created[index] == NO_TIME else self._created[index]
        if is_same_message("skipped", mark, None, created):
            self._reported[index] |= _BITS[outcome]

    def settle(self, committed: int | None) -> None:
        """Decides which of the waiting ones may be sent, once everything is read.

        `committed`: the group's committed offset before the outputs were read, or None. A message
        at or behind it has no outcome yet, so a record about it is forged.
        """
        for index, state in enumerate(self._states):
            if state != State.WAITING:
                continue
            if committed is not None and self.offsets[index] >= committed:
                self._states[index] = State.PENDING
            elif not self._is_confirmed(index):
                self._states[index] = State.CONTRADICTED

    def _is_confirmed(self, first: int) -> bool:
        """Whether no other output contradicts its records. Moves the one to believe to the front.

        With DELIVERY=at-least-once a message that failed or was filtered may also have a metrics
        line that says skipped, from a repetition; and one with a publish_error may have a line that
        says processed, from the attempt before.
        """
        reported = self._reported[first]
        if reported & _IN_OUTPUT:
            return False
        if not reported:
            return True  # metrics are off, or deleted
        is_processed = bool(reported & _BITS["processed"])
        for index in range(first, first + self._matching[first]):
            outcome = REPLAYABLE[self._outcomes[index]]
            if reported & _BITS[outcome] and (outcome == "publish_error" or not is_processed):
                self._swap(first, index)
                return True
        return bool(reported & _BITS["skipped"]) and not is_processed

    def __iter__(self) -> Iterator[tuple[int, str, State]]:
        """Yields offset, outcome and state of each, by offset."""
        for offset, code, state in zip(self.offsets, self._outcomes, self._states, strict=True):
            if state != _SAME_AS_BEFORE:
                yield offset, REPLAYABLE[code], State(state)

    def _find(self, offset: int) -> int | None:
        index = bisect_left(self.offsets, offset)
        if index < len(self.offsets) and self.offsets[index] == offset:
            return index
        return None


class Candidates:
    """The candidates of all input partitions."""

    def __init__(self) -> None:
        self.partitions: dict[int, PartitionCandidates] = {}

    def add(self, position: Position, outcome: str, mark: int) -> None:
        partition, offset = position
        if partition not in self.partitions:
            self.partitions[partition] = PartitionCandidates()
        self.partitions[partition].add(offset, outcome, mark)

    def sort(self) -> None:
        """Call it once, after the last `add`."""
        self.partitions = dict(sorted(self.partitions.items()))
        for candidates in self.partitions.values():
            candidates.sort()

    def forget_the_input(self) -> None:
        for candidates in self.partitions.values():
            candidates.forget_the_input()

    def settle(self, committed: Mapping[int, int]) -> None:
        for partition, candidates in self.partitions.items():
            candidates.settle(committed.get(partition))

    def state_of(self, position: Position) -> State | None:
        candidates = self.partitions.get(position[0])
        return candidates.state_of(position[1]) if candidates else None

    def set_state(self, position: Position, state: State) -> None:
        self.partitions[position[0]].set_state(position[1], state)

    def counts(self) -> Counter[tuple[int, str, State]]:
        """Returns how many there are by partition, outcome and state."""
        return Counter(
            (partition, outcome, state)
            for partition, candidates in self.partitions.items()
            for _, outcome, state in candidates
        )

    def count(self, state: State) -> int:
        return sum(
            each == state for candidates in self.partitions.values() for _, _, each in candidates
        )

    def positions(self, *states: State) -> Iterator[Position]:
        """Yields those in one of these states, by partition and offset."""
        for partition, candidates in self.partitions.items():
            for offset, _, state in candidates:
                if state in states:
                    yield partition, offset

    def ranges(self, state: State) -> Iterator[tuple[int, int, int]]:
        """Yields partition, first and last offset of those in this state."""
        for partition, candidates in self.partitions.items():
            offsets = [offset for offset, _, each in candidates if each == state]
            if offsets:
                yield partition, offsets[0], offsets[-1]
