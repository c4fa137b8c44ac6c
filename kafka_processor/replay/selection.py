"""Which messages a replay selects: by position, by the record of their outcome, by their content.

The record of an outcome says less than the message: `ip` and `device_id` are masked, and a skipped
message has only a metrics line. So a record can rule a message out, but only the message itself can
confirm it. Where the message is gone, the record decides.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from kafka_processor.message_id import Position
from kafka_processor.outcomes import OUTCOMES, Outcome

ANY_ERROR: Final = "error"
REPLAYABLE: Final[tuple[Outcome, ...]] = tuple(each for each in OUTCOMES if each != "processed")

LATEST: Final = 3_600_000
"""Milliseconds that the timestamp of a message may be later than the record of its outcome: Kafka's
default for `message.timestamp.after.max.ms`."""


class OutcomeRecord(NamedTuple):
    """What the record of an outcome says about its message; times in milliseconds."""

    outcome: str
    written: int
    created: int | None = None
    """The message's timestamp, if the record has it."""
    has_user: bool = False
    """Whether the record says which user the message has."""
    user_id: str | None = None
    """With `has_user`, None means that the message has no valid one."""
    has_fields: bool = False
    """Whether the record says which fields the message has."""
    fields: Mapping[str, Any] | None = None
    """As in `message_content` (contract). With `has_fields`, None means that the message is not a
    JSON object."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The options. A message must match all that are given; an empty one is not given."""

    outcomes: frozenset[str] = frozenset()
    message_ids: frozenset[Position] = frozenset()
    partitions: frozenset[int] = frozenset()
    from_offset: int | None = None
    to_offset: int | None = None
    """Exclusive."""
    since: int | None = None
    """The message's record timestamp in milliseconds; inclusive."""
    until: int | None = None
    """Exclusive."""
    users: frozenset[str] = frozenset()
    fields: tuple[tuple[str, str], ...] = ()
    """Names and values; see `field_matches`."""
    include_repeats: bool = False

    def takes_position(self, partition: int, offset: int) -> bool:
        return (
            (not self.message_ids or (partition, offset) in self.message_ids)
            and (not self.partitions or partition in self.partitions)
            and (self.from_offset is None or offset >= self.from_offset)
            and (self.to_offset is None or offset < self.to_offset)
        )

    def takes_outcome(self, outcome: str) -> bool:
        return not self.outcomes or outcome in self.outcomes

    def may_take(self, record: OutcomeRecord) -> bool:
        """False if the record alone rules the message out."""
        if not self.takes_outcome(record.outcome):
            return False
        if self.users and record.has_user and record.user_id not in self.users:
            return False
        if record.created is not None and not self._takes_time(record.created):
            return False
        if self.since is not None and record.written + LATEST < self.since:
            return False
        return not record.has_fields or all(
            _may_match(record.fields, name, wanted) for name, wanted in self.fields
        )

    def takes_message(self, fields: Mapping[str, Any] | None, created: int | None) -> bool:
        """`fields` as in the message, None if it is not a JSON object; `created` in milliseconds,
        None without a record timestamp."""
        if self.users:
            user = (fields or {}).get("user_id")
            if not isinstance(user, str) or user not in self.users:
                return False
        if not self._takes_time(created):
            return False
        return all(field_matches(fields, name, wanted) for name, wanted in self.fields)

    def _takes_time(self, created: int | None) -> bool:
        if self.since is None and self.until is None:
            return True
        return (
            created is not None
            and (self.since is None or created >= self.since)
            and (self.until is None or created < self.until)
        )


def field_matches(fields: Mapping[str, Any] | None, name: str, wanted: str) -> bool:
    """Whether a message's field has this value: a string as it is, any other as its JSON text.

    An empty `wanted` stands for absent, null and the empty string. A message that is not a JSON
    object has no fields and matches nothing, not even that.
    """
    if fields is None:
        return False
    value = fields.get(name)
    if value is None or value == "":
        return wanted == ""
    if isinstance(value, str):
        return value == wanted
    if isinstance(value, list | dict):
        return False
    try:
        return json.dumps(value) == wanted
    except ValueError:  # more digits than Python converts
        return False


def _may_match(content: Mapping[str, Any] | None, name: str, wanted: str) -> bool:
    """Does the same for `message_content`, and returns False only where that is certain.

    A null there may stand for a value that is too long or of the wrong type.
    """
    if content is None:
        return False
    if name not in content:
        return wanted == ""
    value = content[name]
    if name in ("ip", "device_id") or not isinstance(value, str):
        return True
    return value == wanted
