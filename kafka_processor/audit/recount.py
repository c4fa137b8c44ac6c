"""Recounts the messages of a partition and compares the stored counts; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kafka_processor.audit.entries import (
    FILTERED,
    NOTHING,
    OUTCOMES,
    PROCESSED,
    SKIPPED,
    UNKNOWN,
    Message,
)
from kafka_processor.audit.inputs import OTHER_LABEL
from kafka_processor.records import Snapshot, SummaryRecord

MAX_DEVICE_TYPES: Final = 32
MAX_LOCALES: Final = 64
MAX_SHOWN: Final = 5
"""Differences that are listed."""


Judged = tuple[Message, int]
"""A message and its outcome."""


@dataclass
class Counts:
    """The counts of consecutive messages of one partition."""

    total: int = 0
    outcomes: Counter[int] = field(default_factory=Counter)
    replayed: int = 0
    device_types: dict[str, int] = field(default_factory=dict)
    locales: dict[str, int] = field(default_factory=dict)

    def take(self, judged: Sequence[Judged]) -> None:
        """Adds the next messages, in their order."""
        self.total += len(judged)
        self.outcomes.update([outcome for _, outcome in judged])
        self.replayed += sum(message.replay_of != NOTHING for message, _ in judged)
        processed = [message for message, outcome in judged if outcome == PROCESSED]
        _count(self.device_types, [m.device_label for m in processed], MAX_DEVICE_TYPES)
        _count(self.locales, [m.locale_label for m in processed], MAX_LOCALES)

    @property
    def unknown(self) -> int:
        """Messages of unknown outcome: counts may differ by this number."""
        return self.outcomes[UNKNOWN]


def _count(counts: dict[str, int], labels: Sequence[str], limit: int) -> None:
    """Counts by label: the first `limit` labels by name, all others together."""
    for label, count in Counter(labels).items():
        is_new = label not in counts and label != OTHER_LABEL
        is_full = len(counts) - (OTHER_LABEL in counts) >= limit
        name = OTHER_LABEL if is_new and is_full else label
        counts[name] = counts.get(name, 0) + count


@dataclass(frozen=True)
class Claim:
    """The counts of a stretch in a summary record or a stored snapshot."""

    name: str
    next_offset: int
    counted_since: int
    total: int
    processed: int
    filtered: int
    skipped: int
    error: int
    replayed: int
    errors: Mapping[str, int]
    device_types: Mapping[str, int]
    locales: Mapping[str, int]

    @classmethod
    def of_summary(cls, name: str, summary: SummaryRecord) -> "Claim":
        return cls(
            name,
            summary.next_offset,
            summary.counted_since_offset,
            summary.total_received_count,
            summary.processed_count,
            summary.filtered_count,
            summary.skipped_count,
            summary.error_count,
            summary.replayed_count,
            summary.error_type_counts,
            summary.device_type_counts,
            summary.locale_counts,
        )

    @classmethod
    def of_snapshot(cls, name: str, snapshot: Snapshot) -> "Claim":
        errors = sum(snapshot.errors.values())
        return cls(
            name,
            snapshot.next_offset,
            snapshot.counted_since_offset,
            snapshot.processed + snapshot.filtered + snapshot.skipped + errors,
            snapshot.processed,
            snapshot.filtered,
            snapshot.skipped,
            errors,
            snapshot.replayed,
            snapshot.errors,
            snapshot.device_types,
            snapshot.locales,
        )


def differences(claim: Claim, counts: Counts) -> str:
    """Returns the differences between claim and recount as one line, or an empty text.

    All counts except the total may be higher by the number of messages of unknown outcome, each of
    which is reported by itself.
    """
    found = [*_differences(claim, counts)]
    more = f", and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
    return ", ".join(found[:MAX_SHOWN]) + more


def _differences(claim: Claim, counts: Counts) -> Iterator[str]:
    if claim.total != counts.total:
        yield f"total {claim.total:,}, recounted {counts.total:,}"
    if claim.replayed != counts.replayed:
        yield f"replayed {claim.replayed:,}, recounted {counts.replayed:,}"
    errors = {OUTCOMES[code]: n for code, n in counts.outcomes.items() if SKIPPED < code < UNKNOWN}
    by_name = (
        ("processed", claim.processed, counts.outcomes[PROCESSED]),
        ("filtered", claim.filtered, counts.outcomes[FILTERED]),
        ("skipped", claim.skipped, counts.outcomes[SKIPPED]),
        ("errors", claim.error, sum(errors.values())),
        *_by_label("error type", claim.errors, errors),
        *_by_label(
            "device type",
            claim.device_types,
            _listed_later(claim.device_types, counts.device_types),
        ),
        *_by_label("locale", claim.locales, _listed_later(claim.locales, counts.locales)),
    )
    for name, claimed, counted in by_name:
        if not counted <= claimed <= counted + counts.unknown:
            yield f"{name} {claimed:,}, recounted {counted:,}"


def _listed_later(claimed: Mapping[str, int], counted: Mapping[str, int]) -> Mapping[str, int]:
    """Returns the recount, adjusted for labels that were listed later.

    Messages that were counted before a label was listed (`LOCALE_LABELS`, or a full list) stay in
    `__other__`. The recount accepts that only if it explains the whole difference.
    """
    missing = {
        label: count - claimed.get(label, 0)
        for label, count in counted.items()
        if label != OTHER_LABEL and count > claimed.get(label, 0)
    }
    others = counted.get(OTHER_LABEL, 0) + sum(missing.values())
    if not missing or claimed.get(OTHER_LABEL, 0) != others:
        return counted
    kept = {label: count - missing.get(label, 0) for label, count in counted.items()}
    return {**kept, OTHER_LABEL: others}


def _by_label(
    what: str, claimed: Mapping[str, int], counted: Mapping[str, int]
) -> Iterator[tuple[str, int, int]]:
    for label in {**claimed, **counted}:
        yield f"{what} {_shown(label)}", claimed.get(label, 0), counted.get(label, 0)


def _shown(label: str) -> str:
    """Returns a label if it is safe to show: one with many digits could be a value."""
    is_plain = sum(character.isdigit() for character in label) < 4
    return label if is_plain and len(label) <= 16 and label.isprintable() else "(not shown)"
