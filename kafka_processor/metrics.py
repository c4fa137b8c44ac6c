"""The lines of metrics-output: what happened to each message, and how long it took."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from msgspec import UNSET, UnsetType

from kafka_processor.config import Settings
from kafka_processor.event.timestamps import rfc3339
from kafka_processor.outcomes import OUTCOMES, Outcome

MAX_LINES: Final = 1000
MAX_BYTES: Final = 256 * 1024
"""Of a record (contract)."""


def topics_of_outcomes(settings: Settings) -> dict[Outcome, str | None]:
    """Returns the topic of a message's record by its outcome; None: it has no record."""
    return {
        outcome: getattr(settings, row.topic) if row.topic else None
        for outcome, row in OUTCOMES.items()
    }


def records_by_topic(settings: Settings, outcomes: Mapping[Outcome, int]) -> dict[str, int]:
    """Returns how many records messages with these outcomes have in each topic."""
    records: dict[str, int] = {}
    for outcome, topic in topics_of_outcomes(settings).items():
        if topic:
            records[topic] = records.get(topic, 0) + outcomes.get(outcome, 0)
    return records


class MessageMetrics:
    """Writes metrics lines.

    They are joined as text, three times as fast as an encoder: nothing in them needs escaping, and
    what all lines of a batch share is written once, when they are joined (`records`).
    """

    def __init__(self, settings: Settings) -> None:
        self._middles = {
            outcome: f'","outcome":"{outcome}","topic":'
            + (f'"{topic}"' if topic else "null")
            + ',"latency":'
            for outcome, topic in topics_of_outcomes(settings).items()
        }

    def line(
        self, message_id: str, outcome: Outcome, latency: int | None, replay_of: str | UnsetType
    ) -> str:
        """Returns the beginning of one message's line; `latency` in milliseconds."""
        seconds = "null" if latency is None else _seconds(latency)
        line = f'{{"message_id":"{message_id}{self._middles[outcome]}{seconds}'
        return line if replay_of is UNSET else f'{line},"replay_of":"{replay_of}"'

    @staticmethod
    def records(
        lines: Sequence[str], processing_time: float, now: int, max_bytes: int = MAX_BYTES
    ) -> Iterator[bytes]:
        """Yields the values for metrics-output.

        `processing_time` is one message's share of its batch's processing time, in seconds; `now`
        is in milliseconds. A record holds at most 1,000 lines and `max_bytes`, but at least one
        line.
        """
        end = f',"processing_time":{processing_time:.9f},"timestamp":"{rfc3339(now)}"}}'
        for start in range(0, len(lines), MAX_LINES):
            yield from _within_size(lines[start : start + MAX_LINES], end, max_bytes)


@lru_cache(maxsize=4096)  # neighbours share their age, and formatting a float is slow
def _seconds(milliseconds: int) -> str:
    return repr(milliseconds / 1000)


def _within_size(lines: Sequence[str], end: str, max_bytes: int) -> Iterator[bytes]:
    value = ('{"message_details":[' + f"{end},".join(lines) + end + "]}").encode()
    if len(value) <= max_bytes or len(lines) == 1:
        yield value
    else:
        middle = len(lines) // 2
        yield from _within_size(lines[:middle], end, max_bytes)
        yield from _within_size(lines[middle:], end, max_bytes)
