"""Finds the extent of unreadable records by binary search, one fetch for each offset.

Independent of `unreadable/batch_search.py`, whose results the audit checks.
"""

import time
from typing import Final, NamedTuple

from kafka_processor.clients.reader_connection import SILENT
from kafka_processor.config import Settings
from kafka_processor.unreadable.batch_search import Answer, Failed, Readable, Silent
from kafka_processor.unreadable.probing import Probe, Undecided

STANDSTILL: Final = 5.0
"""Seconds without a record after which a partition is probed: the client does not report all
unreadable records."""
_PAUSE: Final = 0.001
"""Seconds between two polls for an answer, which takes about as long."""
_OF_ONE_BATCH: Final = "a record of its batch is cut off"


class Unreadable(NamedTuple):
    first: int
    end: int
    """Exclusive."""
    reason: str


def find_unreadable(
    settings: Settings, topic: str, partition: int, start: int, end: int
) -> Unreadable | None:
    """Returns the unreadable offsets from `start` on, before `end`.

    None if the record at `start` can be read, or if no broker answers.
    """
    if start >= end:
        return None
    probe = Probe(settings, topic, SILENT)
    try:
        return _find(probe, partition, start, end)
    except Undecided:
        return None
    finally:
        probe.close()


def _find(probe: Probe, partition: int, start: int, end: int) -> Unreadable | None:
    found = _answer(probe, partition, start)
    if isinstance(found, Readable):
        return None
    if isinstance(found, Silent):
        first = max(start, found.at)
        after = first + 1
        while after < end and _answer(probe, partition, after) == Silent(after):
            after += 1
        return Unreadable(first, after, _OF_ONE_BATCH)
    first = low = max(start, found.base)
    high = end
    while low + 1 < high:
        middle = (low + high) // 2
        answer = _answer(probe, partition, middle)
        if isinstance(answer, Failed) and answer.base == found.base:
            low = middle
        else:
            high = middle
    return Unreadable(first, low + 1, found.reason) if first < end else None


def _answer(probe: Probe, partition: int, offset: int) -> Answer:
    """Raises Undecided."""
    probe.look(partition, offset)
    while (answer := probe.answer()) is None:
        time.sleep(_PAUSE)
    return answer
