"""Which messages are audited: of each input partition one stretch of offsets; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from kafka_processor.audit.findings import Place
from kafka_processor.audit.recount import Claim
from kafka_processor.records import Snapshot, SummaryRecord, decode_snapshot


@dataclass(frozen=True)
class Span:
    """Offsets of a partition: `end` is not among them."""

    start: int
    end: int


class Committed(NamedTuple):
    """What the group has committed of a partition."""

    offset: int
    metadata: str


@dataclass(frozen=True)
class Wanted:
    """What the user asks for; by default everything."""

    partitions: Sequence[int] = ()
    from_offset: int = 0
    to_offset: int | None = None
    """Not among them."""
    from_time: Mapping[int, int] = field(default_factory=dict)
    """By partition, the offset at which the wanted time begins."""
    to_time: Mapping[int, int] = field(default_factory=dict)


class Summary(NamedTuple):
    """The latest record of a partition that the committed offset has reached."""

    place: Place
    record: SummaryRecord


@dataclass
class Stretch:
    """Of one input partition: from `start` on, `stop` is not among them."""

    partition: int
    start: int
    stop: int
    low: int
    """Messages below are deleted by retention."""
    end: int
    """Of the input: there is no message from here on."""
    claims: list[Claim] = field(default_factory=list)
    """Counts that a recount from `start` can be compared with, in the order of offsets."""
    places: dict[str, Place] = field(default_factory=dict)
    """Where a claim is, by its name."""
    notes: list[str] = field(default_factory=list)
    """What is not audited or not compared, and why."""
    is_restricted: bool = False
    """The user asked for a part of the partition only."""

    def covers(self, offset: int) -> bool:
        return self.start <= offset < self.stop

    def retention_reached(self, low: int) -> None:
        """Messages were deleted before they could be read."""
        self.low = low
        if self.start < low:
            self.claims = []
            self.notes.append(
                f"messages below offset {low:,} are deleted by retention: outputs about them are "
                "looked through for doubles alone, and counts are not compared"
            )


def stretch_of(
    partition: int,
    span: Span,
    committed: Committed | None,
    summary: Summary | None,
    wanted: Wanted,
) -> Stretch:
    """What to audit of a partition, and with which counts it is to agree."""
    if committed is None:
        stretch = Stretch(partition, 0, 0, 0, span.end)
        stretch.notes.append("not audited: the group has committed no offset")
        return stretch
    snapshot, why_none = _snapshot(committed)
    since = _counted_since(snapshot, summary)
    stop = min(committed.offset, span.end)
    start = min(since, stop)
    restricted_start, restricted_stop = _restricted(partition, start, stop, wanted)
    stretch = Stretch(partition, restricted_start, restricted_stop, 0, span.end)
    stretch.is_restricted = (restricted_start, restricted_stop) != (start, stop)
    if committed.offset > span.end:
        stretch.notes.append(
            f"the committed offset {committed.offset:,} lies behind the end of the input, "
            f"{span.end:,}: was the topic made anew?"
        )
    if since > span.start:
        stretch.notes.append(
            f"not audited: {since - span.start:,} offsets below {since:,}, where the group's "
            "counting began (counted_since_offset)"
        )
    if stretch.is_restricted:
        stretch.notes.append("counts are not compared: only a part is audited")
    else:
        _add_claims(stretch, committed, snapshot, summary)
        if snapshot is None:
            stretch.notes.append(f"the counts stored with the offset are not compared: {why_none}")
    stretch.retention_reached(span.start)
    return stretch


def _snapshot(committed: Committed) -> tuple[Snapshot | None, str]:
    """The counts that are stored with the offset, or why they say nothing about it."""
    try:
        snapshot = decode_snapshot(committed.metadata)
    except (msgspec.MsgspecError, RecursionError):
        return None, "there are none; it was set by hand, or by another program"
    if snapshot.next_offset != committed.offset:
        return None, f"they are those of offset {snapshot.next_offset:,}"
    return snapshot, ""


def known_key_ids(committed: Iterable[Committed]) -> set[str]:
    """Of the keys with which the group has counted."""
    found = (_snapshot(each)[0] for each in committed)
    return {snapshot.key_id for snapshot in found if snapshot and snapshot.is_possible}


def _counted_since(snapshot: Snapshot | None, summary: Summary | None) -> int:
    # One that no daemon can have counted is compared, and found wrong, but restricts nothing.
    if snapshot and snapshot.is_possible:
        return snapshot.counted_since_offset
    return summary.record.counted_since_offset if summary else 0


def _restricted(partition: int, start: int, stop: int, wanted: Wanted) -> tuple[int, int]:
    first = max(start, wanted.from_offset, wanted.from_time.get(partition, 0))
    last = min(stop, wanted.to_time.get(partition, stop))
    if wanted.to_offset is not None:
        last = min(last, wanted.to_offset)
    return min(first, stop), max(min(first, stop), last)


def _add_claims(
    stretch: Stretch,
    committed: Committed,
    snapshot: Snapshot | None,
    summary: Summary | None,
) -> None:
    if summary is None:
        stretch.notes.append("the summary is not compared: it has no record up to this offset")
    elif summary.record.counted_since_offset == stretch.start:
        name = "the summary"
        stretch.claims.append(Claim.of_summary(name, summary.record))
        stretch.places[name] = summary.place
    else:
        stretch.notes.append(
            "the summary is not compared: its latest record up to this offset was counted since "
            f"{summary.record.counted_since_offset:,}"
        )
    if snapshot:
        name = f"the snapshot stored with the committed offset {committed.offset:,}"
        stretch.claims.append(Claim.of_snapshot(name, snapshot))
