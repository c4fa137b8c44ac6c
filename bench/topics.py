"""The topics of a run: inputs that all contestants read, outputs that each has for itself."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.contestant_process import ContestantFailed
from dev.logins import LoginEvents, Shares

ANSWER_TRIES = 3
POOL = 100_000
"""Different events; a longer input repeats them."""
FILLING_WORDS = "Mozilla 5.0 Linux Android iPhone Version Mobile Safari Chrome KHTML like Gecko "
OUTPUT_SETTINGS = (
    "PROCESSED_TOPIC",
    "ERRORS_TOPIC",
    "CLEANED_TOPIC",
    "SUMMARY_TOPIC",
    "METRICS_TOPIC",
)
_run_numbers = count(1)


class Topics:
    """Makes and removes topics of one broker."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers})

    def create(self, names: Iterable[str], partitions: int) -> None:
        new = [NewTopic(name, num_partitions=partitions) for name in names]
        for created in self._admin.create_topics(new).values():
            created.result()

    def _existing(self) -> list[str]:
        return list(self._admin.list_topics(timeout=10).topics)

    def remove(self, names: list[str]) -> None:
        for removed in self._admin.delete_topics(names).values():
            removed.result()

    @contextmanager
    def run(self, input_topic: str, partitions: int) -> Iterator[dict[str, str]]:
        """Outputs and a group of its own for one run; the settings that name them.

        What a contestant makes for itself and names after its group goes with them at the end.
        """
        number = next(_run_numbers)
        group = f"bench-{number}-{time.time_ns()}"
        settings = output_settings(f"run-{number}")
        self.create([settings[name] for name in OUTPUT_SETTINGS], partitions)
        try:
            yield {
                "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
                "INPUT_TOPIC": input_topic,
                "CONSUMER_GROUP": group,
                "DEVICE_ID_KEY": bytes(range(32)).hex(),
                "MAX_MESSAGE_AGE": "0",
                **settings,
            }
        finally:
            own = [topic for topic in self._existing() if topic.startswith(f"{group}-")]
            self.remove([*(settings[name] for name in OUTPUT_SETTINGS), *own])


def committed_total(watcher: Consumer, parts: list[TopicPartition]) -> int:
    """How many messages the watcher's group has committed. Raises KafkaException."""
    for _ in range(ANSWER_TRIES - 1):
        # A broker under full load was seen to leave such a question open for ten seconds.
        with suppress(KafkaException):
            return _committed_total(watcher, parts)
    return _committed_total(watcher, parts)


def _committed_total(watcher: Consumer, parts: list[TopicPartition]) -> int:
    return sum(max(part.offset, 0) for part in watcher.committed(parts, timeout=10))


def output_settings(prefix: str) -> dict[str, str]:
    return {name: f"{prefix}-{name.removesuffix('_TOPIC').lower()}" for name in OUTPUT_SETTINGS}


def fill(topics: Topics, topic: str, messages: int, size: int | None = None) -> None:
    """Fills a topic with generated logins, faulty ones among them, as fast as possible.

    `size`: bytes of an event, made up by a field that is not listed, as a user agent would be.
    """
    events = LoginEvents(1, Shares())
    pool = [
        (event.key, filled(event.value, size))
        for event in (events.next(1_780_000_000 + number / 1000) for number in range(POOL))
    ]
    producer = Producer(
        {
            "bootstrap.servers": topics.bootstrap_servers,
            "linger.ms": 50,
            "compression.type": "lz4",
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 200_000,
            "delivery.report.only.error": True,
        }
    )
    produce = producer.produce
    for number in range(messages):
        key, value = pool[number % POOL]
        while True:
            try:
                produce(topic, value, key)
            except BufferError:
                producer.poll(0.01)
            else:
                break
    if left := producer.flush(60):
        raise ContestantFailed(f"{left} events of the input were not acknowledged")


def filled(value: bytes | None, size: int | None) -> bytes | None:
    if value is None or size is None or len(value) >= size - 20 or not value.endswith(b"}"):
        return value
    words = FILLING_WORDS * (size // len(FILLING_WORDS) + 1)
    filling = words[: size - len(value) - len(', "agent": ""')]
    return value[:-1] + b', "agent": "' + filling.encode() + b'"}'
