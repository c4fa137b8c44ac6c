"""The id of a message, `<input topic>-<partition>-<offset>`: how it is built and read back.

It joins all outputs (`docs/contract.md`, "Records").
"""

import re
from typing import Final

Position = tuple[int, int]
"""Partition and offset of a message in the input topic."""

_MAX_PARTITION: Final = 2**31 - 1
_MAX_OFFSET: Final = 2**63 - 1
# Without leading zeros, which would give one message two ids.
_numbers = re.compile(r"(0|[1-9][0-9]{0,9})-(0|[1-9][0-9]{0,18})").fullmatch


def id_prefix(topic: str, partition: int) -> str:
    """What the ids of all messages of a partition start with; the offset follows."""
    return f"{topic}-{partition}-"


def id_at(topic: str, partition: int, offset: int) -> str:
    return f"{id_prefix(topic, partition)}{offset}"


def position_in(topic: str, message_id: str) -> Position | None:
    """Returns the position of a message of this topic; None for any other text."""
    if not message_id.startswith(f"{topic}-"):
        return None
    numbers = _numbers(message_id[len(topic) + 1 :])
    if not numbers:
        return None
    partition, offset = int(numbers[1]), int(numbers[2])
    return (partition, offset) if partition <= _MAX_PARTITION and offset <= _MAX_OFFSET else None
