"""The next batch of a partition that cannot be read, for readers that may wait for the answer."""

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaException

from kafka_processor.config import Settings
from kafka_processor.unreadable.batch_search import BatchSearch, UnreadableBatch
from kafka_processor.unreadable.probing import Probe, Undecided

_PAUSE: Final = 0.001
"""Seconds between two looks for an answer, which takes about as long."""


def find_batch(
    settings: Settings,
    topic: str,
    partition: int,
    start: int,
    client_log: Any,
    should_stop: Callable[[], bool],
) -> UnreadableBatch | None:
    """None: the record at `start` can be read, or no broker answers now."""
    probe = Probe(settings, topic, client_log)
    try:
        search = BatchSearch(start, probe.end_of(partition))
        while (offset := search.offset) is not None:
            probe.look(partition, offset)
            while (answer := probe.answer()) is None:
                if should_stop():
                    return None
                time.sleep(_PAUSE)
            search.take(offset, answer)
        return search.found()
    except (KafkaException, Undecided):
        return None
    finally:
        probe.close()
