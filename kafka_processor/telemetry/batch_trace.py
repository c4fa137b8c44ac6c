"""What a batch did when: as the loop tells it, piece by piece.

A piece is what one poll has brought. Times are seconds of `time.monotonic()`.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from kafka_processor.pipeline import Message, Work
from kafka_processor.telemetry.trace_context import TraceParent, TraceParents


@dataclass
class Phase:
    """What was done in one or more goes, others in between."""

    began: float = 0.0
    ended: float = 0.0
    busy: float = 0.0
    """Seconds, without what was done in between."""
    pieces: int = 0

    def add(self, began: float, ended: float) -> None:
        self.extend(Phase(began, ended, ended - began, 1))

    def extend(self, later: "Phase") -> None:
        if not later.pieces:
            return
        if not self.pieces:
            self.began = later.began
        self.ended = later.ended
        self.busy += later.busy
        self.pieces += later.pieces


@dataclass
class _Share:
    """Of one partition."""

    first: int
    """Offset."""
    last: int
    messages: int
    parents: TraceParents


@dataclass
class BatchTrace:
    poll: Phase = field(default_factory=Phase)
    work: Phase = field(default_factory=Phase)
    publish: Phase = field(default_factory=Phase)
    commit: Phase = field(default_factory=Phase)
    _shares: dict[int, _Share] = field(default_factory=dict)

    def add_work(
        self, polled: Mapping[int, Sequence[Message]], works: Mapping[int, Work], began: float
    ) -> None:
        """What was polled from `began` on and worked on until now."""
        now = time.monotonic()
        work_began = now - sum(work.seconds for work in works.values())
        self.poll.add(began, work_began)
        self.work.add(work_began, now)
        for partition, work in works.items():
            first = polled[partition][0].offset() or 0
            parents = TraceParents()
            parents.add(work.trace_parents)
            self._add(partition, _Share(first, work.next_offset - 1, work.messages, parents))

    def extend(self, later: "BatchTrace") -> None:
        """With what came after it."""
        self.poll.extend(later.poll)
        self.work.extend(later.work)
        self.publish.extend(later.publish)
        for partition, share in later._shares.items():
            self._add(partition, share)

    def _add(self, partition: int, later: _Share) -> None:
        share = self._shares.get(partition)
        if share is None:
            self._shares[partition] = later
        else:
            share.last = later.last
            share.messages += later.messages
            share.parents.extend(later.parents)

    def forget(self, partitions: Collection[int]) -> None:
        """They were taken away before anything of theirs was published."""
        for partition in partitions:
            self._shares.pop(partition, None)

    @property
    def messages(self) -> int:
        return sum(share.messages for share in self._shares.values())

    @property
    def partitions(self) -> list[int]:
        return sorted(self._shares)

    @property
    def offsets(self) -> list[str]:
        """Of each partition, as `3:100-149`."""
        return [
            f"{each}:{self._shares[each].first}-{self._shares[each].last}"
            for each in self.partitions
        ]

    @property
    def parents(self) -> list[TraceParent]:
        """Of the events, as many as there may be links."""
        all_of_them = TraceParents()
        for share in self._shares.values():
            all_of_them.extend(share.parents)
        return all_of_them.read()
