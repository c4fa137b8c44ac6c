"""The load: thousands of events a second to all partitions, each with its own number in it."""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from tests.support.cases import login
from tests.support.job import Job
from tests.support.waiting import wait_until

RATE = 1000
TICK = 0.05
USERS = 50
FIRST_TIMESTAMP = 1_700_000_000
TIMEOUT = 60.0


class Load:
    """Sends at an even rate from a thread of its own; patient while brokers are away."""

    def __init__(self, job: Job, rate: int) -> None:
        self.sent = [0] * job.partitions
        """Messages by partition."""
        self._ends: dict[int, int] = {}
        self._topic = job.input
        self._rate = rate
        self._stop = threading.Event()
        self._may_send = threading.Lock()
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
                **self._client_properties(),
            }
        )
        self._thread = threading.Thread(target=self._send, daemon=True)

    def _client_properties(self) -> dict[str, Any]:
        return {}

    @property
    def total(self) -> int:
        """Messages handed to the client so far."""
        return sum(self.sent)

    @property
    def end(self) -> int:
        """The sum of the committed offsets once everything that has arrived is worked off."""
        return sum(self._ends.values())

    @contextlib.contextmanager
    def running(self) -> Iterator["Load"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()
            self._finish()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Everything sent so far has arrived, and nothing more is sent."""
        with self._may_send:
            self._finish()
            yield

    def pile_up(self, count: int) -> None:
        """So many more at once; returns when they have arrived."""
        with self._may_send:
            self._send_some(count)
            self._finish()

    def take_up_partitions(self, count: int) -> None:
        """The topic has more partitions now: each new one gets all messages until it has as many
        as the others."""
        known = self._producer.list_topics
        wait_until(
            lambda: len(known(self._topic, TIMEOUT).topics[self._topic].partitions) == count,
            f"{count} partitions",
        )
        self.sent += [0] * (count - len(self.sent))

    def _finish(self) -> None:
        undelivered = self._producer.flush(TIMEOUT)
        assert undelivered == 0 and not self._error, f"the load itself: {self._error}"

    def _send(self) -> None:
        last, owed = time.monotonic(), 0.0
        while not self._stop.wait(TICK):
            with self._may_send:
                now = time.monotonic()
                owed = min(owed + (now - last) * self._rate, self._rate)
                last = now
                self._send_some(int(owed))
                owed -= int(owed)
                self._producer.poll(0)

    def _send_some(self, count: int) -> None:
        for _ in range(count):
            partition = min(range(len(self.sent)), key=self.sent.__getitem__)
            value = event(partition, self.sent[partition])
            self._producer.produce(
                self._topic, value, partition=partition, on_delivery=self._on_delivery
            )
            self.sent[partition] += 1

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error:
            self._error = str(error)
        else:
            self._arrived(message.partition() or 0, (message.offset() or 0) + 1)

    def _arrived(self, partition: int, next_offset: int) -> None:
        self._ends[partition] = max(self._ends.get(partition, 0), next_offset)


class TransactionalLoad(Load):
    """The same in transactions, of which every third is aborted."""

    def __init__(self, job: Job, rate: int) -> None:
        super().__init__(job, rate)
        self.transactions = self.aborted = 0
        self._uncommitted: dict[int, int] = {}
        self._producer.init_transactions(TIMEOUT)

    def _client_properties(self) -> dict[str, Any]:
        return {"transactional.id": f"load-{secrets.token_hex(4)}"}

    def _send_some(self, count: int) -> None:
        if not count:
            return
        self._uncommitted.clear()
        self._producer.begin_transaction()
        super()._send_some(count)
        self._producer.flush(TIMEOUT)
        self.transactions += 1
        if self.transactions % 3 == 0:
            self._producer.abort_transaction(TIMEOUT)
            self.aborted += 1
        else:
            self._producer.commit_transaction(TIMEOUT)
            self._ends.update(self._uncommitted)

    def _arrived(self, partition: int, next_offset: int) -> None:
        self._uncommitted[partition] = next_offset


def event(partition: int, number: int) -> bytes:
    """A good event with a number of its own; every tenth is filtered out."""
    version = "1.0.0" if number % 10 == 0 else "2.3.0"
    user = (partition, number % USERS)
    ip = (number // 254 % 250 + 1, number % 254 + 1)
    return (_EVENT % (*user, version, *ip, partition, number, FIRST_TIMESTAMP + number)).encode()


# Filled in as a text: a test sends a hundred thousand. Address and device are the event's own, or
# a batch would be compressed to nearly nothing.
_EVENT = json.dumps(
    login(
        user_id="user-%d-%d",
        app_version="%s",
        ip="93.1.%d.%d",
        device_id="593-%d-%06d",
        timestamp=0,
    )
).replace('"timestamp": 0', '"timestamp": %d')
