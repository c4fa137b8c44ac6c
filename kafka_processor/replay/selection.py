"""Which messages are chosen: by their coordinates, by their outcome's record, by themselves.

An outcome's record tells less than the message: `ip` and `device_id` are masked in it, and of a
skipped message there is only a metrics line. So a record only rules out what it certainly tells,
and the message itself decides. The record's word is the last where the message is gone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, get_args

from kafka_processor.records import ErrorType

ANY_ERROR: Final = "error"
OUTCOMES: Final = ("filtered", "skipped", *get_args(ErrorType))
"""The outcomes that can be replayed."""

LATEST: Final = 3_600_000
"""Milliseconds that a message may be dated after its outcome was written: Kafka's default for
`message.timestamp.after.max.ms`."""

Position = tuple[int, int]
"""Partition and offset in the input topic."""


class Told(NamedTuple):
    """What the record of an outcome tells of its message; times in milliseconds."""

    outcome: str
    written: int
    created: int | None = None
    """The message's own time, where the record has it."""
    has_user: bool = False
    """Whether `user_id` is what the message has; None then: none that is valid."""
    user_id: str | None = None
    has_fields: bool = False
    """Whether `fields` is what the message has; None then: it is no JSON object."""
    fields: Mapping[str, Any] | None = None
    """As in `message_content` (contract)."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the options say. All that are given must hold; one that is empty is not given."""

    outcomes: frozenset[str] = frozenset()
    message_ids: frozenset[Position] = frozenset()
    partitions: frozenset[int] = frozenset()
    from_offset: int | None = None
    to_offset: int | None = None
    """Exclusive."""
    since: int | None = None
    """Milliseconds, of the message's record timestamp; inclusive."""
    until: int | None = None
    """Exclusive."""
    users: frozenset[str] = frozenset()
    fields: tuple[tuple[str, str], ...] = ()
    """Names and values, see `field_matches`."""
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

    def may_take(self, told: Told) -> bool:
        """False if the record alone rules the message out."""
        if not self.takes_outcome(told.outcome):
            return False
        if self.users and told.has_user and told.user_id not in self.users:
            return False
        if told.created is not None and not self._takes_time(told.created):
            return False
        if self.since is not None and told.written + LATEST < self.since:
            return False
        return not told.has_fields or all(
            _may_match(told.fields, name, wanted) for name, wanted in self.fields
        )

    def takes_message(self, fields: Mapping[str, Any] | None, created: int | None) -> bool:
        """`fields` as the message has them, None if it is no JSON object; `created` in
        milliseconds, None without a record timestamp."""
        if self.users:
            user = (fields or {}).get("user_id")
            if not isinstance(user, str) or user not in self.users:
                return False
        if not self._takes_time(created):
            return False
        return all(field_matches(fields, name, wanted) for name, wanted in self.fields)

    @property
    def looks_inside(self) -> bool:
        """Whether it takes the message itself to decide."""
        return bool(self.users or self.fields)

    def _takes_time(self, created: int | None) -> bool:
        if self.since is None and self.until is None:
            return True
        return (
            created is not None
            and (self.since is None or created >= self.since)
            and (self.until is None or created < self.until)
        )


def field_matches(fields: Mapping[str, Any] | None, name: str, wanted: str) -> bool:
    """Whether a message's field has this value: a string as it is, else its JSON text.

    An empty `wanted` stands for absent, null and the empty string. A message that is no JSON
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
    except ValueError:  # a number of more digits than Python writes
        return False


def _may_match(content: Mapping[str, Any] | None, name: str, wanted: str) -> bool:
    """The same from `message_content`: False only where that is certain.

    A null there may stand for a value of the wrong type or length.
    """
    if content is None:
        return False
    if name not in content:
        return wanted == ""
    value = content[name]
    if name in ("ip", "device_id") or not isinstance(value, str):
        return True
    return value == wanted
