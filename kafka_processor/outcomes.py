"""The outcomes of a message, one row each.

Pipeline, summary, metrics, dashboard, replay and ops derive from this table where the record of a
message goes, how it counts and what people read. To add an outcome, add its name and its row here,
the code that decides it, its tests, and its place in `docs/contract.md` ("A message's way").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

ErrorType = Literal[
    "parse_error", "missing_field", "invalid_field", "transform_error", "publish_error"
]
Outcome = Literal["processed", "filtered", "skipped"] | ErrorType
FilterReason = Literal["filtered_app_version"]
"""Why a valid message was filtered out; the `clean_type` of its record."""

Kind = Literal["processed", "filtered", "skipped", "error"]
"""What the summary counts an outcome as. Errors are counted by type too."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class OutcomeRow:
    topic: Literal["processed_topic", "cleaned_topic", "errors_topic"] | None
    """The setting that names the topic of the message's record; None: it has no record."""
    counted_as: Kind
    label: str
    """What it means, for people."""


def _error(label: str) -> OutcomeRow:
    return OutcomeRow(topic="errors_topic", counted_as="error", label=label)


OUTCOMES: Final[Mapping[Outcome, OutcomeRow]] = {
    "processed": OutcomeRow(
        topic="processed_topic", counted_as="processed", label="transformed and published"
    ),
    "filtered": OutcomeRow(
        topic="cleaned_topic", counted_as="filtered", label="of an app version that is not accepted"
    ),
    "skipped": OutcomeRow(topic=None, counted_as="skipped", label="older than MAX_MESSAGE_AGE"),
    "parse_error": _error("not a JSON object, too large, or unreadable"),
    "missing_field": _error("a required field is absent, null or empty"),
    "invalid_field": _error("a field has the wrong type or is too long"),
    "transform_error": _error("ip or timestamp cannot be converted"),
    "publish_error": _error("its record is too large for the topic"),
}

ERROR_TYPES: Final[frozenset[str]] = frozenset(
    name for name, row in OUTCOMES.items() if row.counted_as == "error"
)
