"""What the audit finds: violations, and how many messages of each partition had which outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

LOST, DOUBLED, CONTRADICTING, PERSONAL = "lost", "doubled", "contradicting", "personal"
KINDS: Final = (LOST, DOUBLED, CONTRADICTING, PERSONAL)


class Place(NamedTuple):
    """Where an output record is."""

    topic: str
    partition: int
    offset: int


class Text(NamedTuple):
    """A label, or a text that the contract does not have, in a summary record or a snapshot."""

    place: Place | None
    """None for a snapshot."""
    counted_since: int


class Violation(NamedTuple):
    kind: str
    what: str
    """Says what is wrong, without any value of the message."""
    partition: int | None
    """Of the input; None for a record that names no message."""
    offset: int | None
    """Of the input message; None for a violation of the partition as a whole."""
    records: Sequence[Place] = ()
    """The offending output records; of a doubled one all its copies."""


@dataclass
class Tally:
    """Messages of one input partition."""

    audited: int = 0
    processed: int = 0
    filtered: int = 0
    skipped: int = 0
    errors: int = 0
    unknown: int = 0
    """Audited, without an outcome that can be named."""
    repeated: int = 0
    """More than one record or metrics line, which `at-least-once` allows."""
    unreadable: int = 0
    """Of the audited ones, those that the audit cannot read either."""
    not_auditable: int = 0
    """Retention has deleted what would say whether all is well."""
    violations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    """Messages with a violation of that kind, and violations of the partition as a whole."""

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
