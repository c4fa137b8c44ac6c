"""The peers' producer: its settings, and one that knows what was not acknowledged."""

import os
from typing import Any, Final

from confluent_kafka import Producer

from kafka_processor.clients.client_config import ClientConfig, producer_config
from kafka_processor.config import Settings

MAX_RECORD: Final = 1_000_000


def peer_producer_config(settings: Settings) -> ClientConfig:
    """As kafka_processor's, but for the `linger.ms` that suits the peer (LINGER_MS)."""
    config = producer_config(settings, MAX_RECORD)
    config["linger.ms"] = os.environ.get("LINGER_MS", config["linger.ms"])
    return config


class PatientProducer:
    """Waits where its queue is full."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._failures: list[Any] = []
        self._producer = Producer(config | {"on_delivery": self._note})

    def _note(self, error: Any, _message: object) -> None:
        if error:
            self._failures.append(error)

    def produce(self, topic: str, value: bytes, key: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key)
            except BufferError:
                self._producer.poll(0.01)
            else:
                return

    def flush(self, timeout: float) -> None:
        """Raises RuntimeError if something was not acknowledged."""
        left = self._producer.flush(timeout)
        if left or self._failures:
            raise RuntimeError(f"{left} records are not acknowledged: {self._failures[:1]}")
