"""A producer that waits where its queue is full, and knows what was not acknowledged."""

from typing import Any

from confluent_kafka import Producer


class PatientProducer:
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
