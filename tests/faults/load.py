"""The load: thousands of events a second to all partitions, each with its own number in it."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator

from confluent_kafka import Producer

from tests.support.cases import login
from tests.support.job import Job

RATE = 3000
TICK = 0.02
FIRST_TIMESTAMP = 1_700_000_000
USERS = 50
FLUSH_TIMEOUT = 60.0


class Load:
    """Sends at an even rate from a thread of its own; patient while brokers are away."""

    def __init__(self, job: Job, rate: int = RATE) -> None:
        self.sent = [0] * job.partitions
        """Messages by partition; a partition that is added takes its share from then on."""
        self._topic = job.input
        self._rate = rate
        self._end = threading.Event()
        self._error: str | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": job.site.broker,
                "enable.idempotence": True,
                "linger.ms": 5,
                "queue.buffering.max.messages": 1_000_000,
                "compression.type": "lz4",
                "reconnect.backoff.max.ms": 500,
                "topic.metadata.refresh.interval.ms": 2000,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._send, daemon=True)

    @property
    def end(self) -> int:
        """The sum of all offsets once everything that was sent is worked off."""
        return sum(self.sent)

    @contextlib.contextmanager
    def running(self) -> Iterator["Load"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """Returns once all that was sent is acknowledged."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        undelivered = self._producer.flush(FLUSH_TIMEOUT)
        assert undelivered == 0 and not self._error, f"the load itself: {self._error}"

    def _send(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._end.wait(TICK):
            due = int((time.monotonic() - began) * self._rate)
            for _ in range(due - sent):
                self._send_one()
            sent = due
            self._producer.poll(0)

    def _send_one(self) -> None:
        partition = min(range(len(self.sent)), key=self.sent.__getitem__)
        number = self.sent[partition]
        self._producer.produce(
            self._topic, event(partition, number), partition=partition, on_delivery=self._note
        )
        self.sent[partition] += 1

    def _note(self, error: object, _message: object) -> None:
        if error:
            self._error = str(error)


def event(partition: int, number: int) -> bytes:
    """A good event with a number of its own; every tenth is filtered out."""
    return json.dumps(
        login(
            user_id=f"user-{partition}-{number % USERS}",
            app_version="1.0.0" if number % 10 == 0 else "2.3.0",
            timestamp=FIRST_TIMESTAMP + number,
        )
    ).encode()
