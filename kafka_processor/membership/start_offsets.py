"""The start offset of a partition: decided by what was committed and what the topic holds."""

from dataclasses import dataclass
from enum import Enum

import msgspec

from kafka_processor.records import decode_snapshot


class StartReason(Enum):
    """Why a partition starts where it does."""

    COMMITTED = "the group has read it up to there"
    GAP = "retention has deleted what follows the committed offset"
    NEW_TOPIC = "the input topic was deleted and created again"
    NEW_PARTITION = "it appeared after the group had begun with the topic"
    RESET = "the group has no committed offset of the topic: AUTO_OFFSET_RESET"


@dataclass(frozen=True)
class StartOffset:
    """The offset at which a partition starts, and what was stored with its committed offset."""

    partition: int
    offset: int
    committed: int | None
    metadata: str | None
    gap: int = 0
    """Messages that retention deleted before they were read."""
    reason: StartReason = StartReason.COMMITTED
    topic_id: str = ""
    """Of the topic that it is an offset of; empty where the broker has no topic ids."""


@dataclass(frozen=True)
class Past:
    """What is known of a partition from before."""

    partition: int
    committed: int | None
    metadata: str | None
    started_at: int | None = None
    """Where this process has started it, while nothing is committed."""
    read_as: str = ""
    """The id of the topic when this process last read the partition; empty: not known."""
    is_of_begun_topic: bool = False
    """The group has committed offsets of the topic, or the topic is younger than this process."""


def is_of_other_topic(past: Past, topic_id: str) -> bool:
    """Whether the past is that of a topic that has been deleted since.

    Decided by the committed offset if its snapshot names a topic, else by what this process read.
    """
    was = _topic_of_snapshot(past) or past.read_as
    return bool(was and topic_id) and not topic_id.startswith(was)


def _topic_of_snapshot(past: Past) -> str:
    try:
        snapshot = decode_snapshot(past.metadata or "")
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return snapshot.topic_id if snapshot.next_offset == past.committed else ""


def decide_start(
    past: Past, topic_id: str, low: int, high: int, *, starts_at_end: bool
) -> StartOffset:
    """Returns where a partition that holds the offsets from `low` to `high` starts.

    `starts_at_end`: what AUTO_OFFSET_RESET says.
    """

    def at(offset: int, reason: StartReason, gap: int = 0) -> StartOffset:
        return StartOffset(
            past.partition, offset, past.committed, past.metadata, gap, reason, topic_id
        )

    stopped_at = past.started_at if past.committed is None else past.committed
    if is_of_other_topic(past, topic_id) or (stopped_at is not None and stopped_at > high):
        return at(low, StartReason.NEW_TOPIC)
    if stopped_at is not None:
        if stopped_at < low:
            return at(low, StartReason.GAP, low - stopped_at)
        return at(stopped_at, StartReason.COMMITTED)
    if past.is_of_begun_topic:
        return at(low, StartReason.NEW_PARTITION)
    return at(high if starts_at_end else low, StartReason.RESET)
