"""The findings of the audit: violations, and the outcomes of each partition in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

LOST, DOUBLED, CONTRADICTING, PERSONAL = "lost", "doubled", "contradicting", "personal"
KINDS: Final = (LOST, DOUBLED, CONTRADICTING, PERSONAL)


class Place(NamedTuple):
    """The coordinates of an output record."""

    topic: str
    partition: int
    offset: int


class Text(NamedTuple):
    """A label, or an unlisted text, in a summary record or a snapshot."""

    place: Place | None
    """None for a snapshot."""
    counted_since: int


class Violation(NamedTuple):
    kind: str
    what: str
    """The problem, without any value of the message."""
    partition: int | None
    """Of the input; None for a record without a valid message id."""
    offset: int | None
    """Of the input message; None for a violation of the whole partition."""
    records: Sequence[Place] = ()
    """The output records concerned; for a duplicate all copies."""


@dataclass
class Tally:
    """Numbers of messages of one input partition."""

    audited: int = 0
    processed: int = 0
    filtered: int = 0
    skipped: int = 0
    errors: int = 0
    unknown: int = 0
    """Audited, but without a definite outcome."""
    repeated: int = 0
    """With several records or metrics lines, which `at-least-once` allows."""
    unreadable: int = 0
    """Audited messages that the audit cannot read either."""
    not_auditable: int = 0
    """Retention has deleted the records that are needed to judge them."""
    violations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    """Messages with a violation, and violations of the whole partition, by kind."""

    def add(self, other: "Tally") -> None:
        self.audited += other.audited
        self.processed += other.processed
        self.filtered += other.filtered
        self.skipped += other.skipped
        self.errors += other.errors
        self.unknown += other.unknown
        self.repeated += other.repeated
        self.unreadable += other.unreadable
        self.not_auditable += other.not_auditable
        for kind, count in other.violations.items():
            self.violations[kind] += count
