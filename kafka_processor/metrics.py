"""The lines of metrics-output: what happened to each message, and how long it took."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from msgspec import UNSET, UnsetType

from kafka_processor.config import Settings
from kafka_processor.event.timestamps import rfc3339
from kafka_processor.records import Outcome

MAX_LINES: Final = 1000
MAX_BYTES: Final = 256 * 1024
"""Of a record (contract)."""


def topics_of_outcomes(settings: Settings) -> dict[Outcome, str | None]:
    """Where the record of a message goes, by its outcome; None: it has none."""
    return {
        "processed": settings.processed_topic,
        "filtered": settings.cleaned_topic,
        "skipped": None,
        "parse_error": settings.errors_topic,
        "missing_field": settings.errors_topic,
        "invalid_field": settings.errors_topic,
        "transform_error": settings.errors_topic,
        "publish_error": settings.errors_topic,
    }


def records_by_topic(settings: Settings, outcomes: Mapping[Outcome, int]) -> dict[str, int]:
    """How many records messages with these outcomes have, in each topic."""
    records: dict[str, int] = {}
    for outcome, topic in topics_of_outcomes(settings).items():
        if topic:
            records[topic] = records.get(topic, 0) + outcomes.get(outcome, 0)
    return records


class MessageMetrics:
    """Writes metrics lines.

    They are put together as text, three times as fast as an encoder: nothing in them can need
    escaping, and what all lines of a batch share is written once, at the join (`records`).
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
        """The beginning of one message's line; `latency` in milliseconds."""
        seconds = "null" if latency is None else _seconds(latency)
        line = f'{{"message_id":"{message_id}{self._middles[outcome]}{seconds}'
        return line if replay_of is UNSET else f'{line},"replay_of":"{replay_of}"'

    @staticmethod
    def records(
        lines: Sequence[str], processing_time: float, now: int, max_bytes: int = MAX_BYTES
    ) -> Iterator[bytes]:
        """The values for metrics-output.

        `processing_time` is one message's share of the seconds that its batch took, `now` in
        milliseconds. A record holds at most 1,000 lines and `max_bytes`, but at least one line.
        """
        end = f',"processing_time":{processing_time:.9f},"timestamp":"{rfc3339(now)}"}}'
        for start in range(0, len(lines), MAX_LINES):
            yield from _within_size(lines[start : start + MAX_LINES], end, max_bytes)


@lru_cache(maxsize=4096)  # neighbours share their age, and writing a float takes long
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
