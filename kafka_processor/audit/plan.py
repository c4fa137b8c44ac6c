"""Which messages are audited: one range of offsets of each input partition; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from kafka_processor.audit.findings import Place
from kafka_processor.audit.recount import Claim
from kafka_processor.records import Snapshot, SummaryRecord, decode_snapshot


@dataclass(frozen=True)
class Span:
    """Offsets of a partition; `end` is exclusive."""

    start: int
    end: int


class Committed(NamedTuple):
    """What the group has committed of a partition."""

    offset: int
    metadata: str


@dataclass(frozen=True)
class Wanted:
    """What the user has selected; by default everything."""

    partitions: Sequence[int] = ()
    from_offset: int = 0
    to_offset: int | None = None
    """Exclusive."""
    from_time: Mapping[int, int] = field(default_factory=dict)
    """The offset at which the selected time begins, by partition."""
    to_time: Mapping[int, int] = field(default_factory=dict)


class Summary(NamedTuple):
    """The latest record of a partition that the committed offset has reached."""

    place: Place
    record: SummaryRecord


@dataclass
class Stretch:
    """The audited offsets of an input partition; `stop` is exclusive."""

    partition: int
    start: int
    stop: int
    low: int
    """Retention has deleted messages below it."""
    end: int
    """End of the input partition."""
    claims: list[Claim] = field(default_factory=list)
    """Counts to compare with a recount from `start`, in the order of offsets."""
    places: dict[str, Place] = field(default_factory=dict)
    """The records of claims, by name."""
    notes: list[str] = field(default_factory=list)
    """What is not audited or not compared, and why."""
    is_restricted: bool = False
    """Whether the user has selected only a part of the partition."""

    def retention_reached(self, low: int) -> None:
        """Messages were deleted before they could be read."""
        self.low = low
        if self.start < low:
            self.claims = []
            self.notes.append(
                f"messages below offset {low:,} were deleted by retention: their outputs are only "
                "checked for duplicates, and counts are not compared"
            )


def stretch_of(
    partition: int,
    span: Span,
    committed: Committed | None,
    summary: Summary | None,
    wanted: Wanted,
) -> Stretch:
    """Returns what to audit of a partition, and the counts to compare."""
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
            f"the committed offset {committed.offset:,} is beyond the end of the input, "
            f"{span.end:,}: was the topic created again?"
        )
    if since > span.start:
        stretch.notes.append(
            f"not audited: {since - span.start:,} offsets below {since:,}, where the counts of the "
            "group start (counted_since_offset)"
        )
    if stretch.is_restricted:
        stretch.notes.append("counts are not compared: only a part of the partition is audited")
    else:
        _add_claims(stretch, committed, snapshot, summary)
        if snapshot is None:
            stretch.notes.append(f"the counts stored with the offset are not compared: {why_none}")
    stretch.retention_reached(span.start)
    return stretch


def _snapshot(committed: Committed) -> tuple[Snapshot | None, str]:
    """Returns the counts stored with the offset, or the reason why there are none for it."""
    try:
        snapshot = decode_snapshot(committed.metadata)
    except (msgspec.MsgspecError, RecursionError):
        return None, "there are none; the offset was set by hand or by another program"
    if snapshot.next_offset != committed.offset:
        return None, f"they belong to offset {snapshot.next_offset:,}"
    return snapshot, ""


def known_key_ids(committed: Iterable[Committed]) -> set[str]:
    """Returns the ids of the keys that the group has used."""
    found = (_snapshot(each)[0] for each in committed)
    return {snapshot.key_id for snapshot in found if snapshot and snapshot.is_possible}


def _counted_since(snapshot: Snapshot | None, summary: Summary | None) -> int:
    # An impossible snapshot is compared, and found wrong, but does not restrict the audit.
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
