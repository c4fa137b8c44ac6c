"""The limit: the same clients and settings without the job: `python -m bench.peers.copy_loop`.

Every value goes to the processed topic as it came, with its key. One batch is committed on a thread
of its own while the next is read, as in the product. For one process in its group.
"""

import os
import signal
import threading
from secrets import token_hex

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from bench.peers.login_job import announce, peer_settings
from bench.peers.patient_producer import peer_producer_config
from kafka_processor.clients.background_commit import BackgroundCommit, CommitThread
from kafka_processor.clients.client_config import consumer_config

BATCH = int(os.environ.get("BATCH", "20000"))
"""Most messages of a batch; a commit that takes long makes them fewer and larger, up to this."""
COMMIT_TIMEOUT = 10.0
IDLE_WAIT = 0.1
COMMITTING_WAIT = 0.002


class Copier:
    def __init__(self) -> None:
        settings = peer_settings()
        self._topic = settings.processed_topic
        self._is_exactly_once = settings.delivery == "exactly-once"
        start = {"auto.offset.reset": settings.auto_offset_reset}
        self._consumer = Consumer(consumer_config(settings) | start)
        config = peer_producer_config(settings)
        if self._is_exactly_once:
            config["transactional.id"] = f"{settings.consumer_group}-{token_hex(8)}"
        self._producer = Producer(config)
        if self._is_exactly_once:
            self._producer.init_transactions(COMMIT_TIMEOUT)
        self._commits = CommitThread()
        self._commit: BackgroundCommit | None = None
        self._offsets: list[TopicPartition] = []
        self._consumer.subscribe([settings.input_topic], on_assign=lambda *_: announce())

    def run(self, stop: threading.Event) -> None:
        messages: list[Message] = []
        while not stop.is_set():
            messages += self._read(BATCH - len(messages), is_waiting=not messages)
            if self._commit and not self._commit.finished.is_set():
                if len(messages) >= BATCH:
                    self._commit.finished.wait(IDLE_WAIT)
                continue
            self._finish_commit()
            if messages:
                self._publish(messages)
                messages = []
        if self._commit:
            self._commit.finished.wait(COMMIT_TIMEOUT)
            self._finish_commit()
        self._consumer.close()

    def _read(self, room: int, *, is_waiting: bool) -> list[Message]:
        if not room:
            return []
        messages = self._consumer.consume(room, 0)
        if not messages:
            wait = IDLE_WAIT if is_waiting and not self._commit else COMMITTING_WAIT
            messages = self._consumer.consume(1, wait)
        for message in messages:
            if error := message.error():
                raise KafkaException(error)
        return messages

    def _publish(self, messages: list[Message]) -> None:
        producer = self._producer
        if self._is_exactly_once:
            producer.begin_transaction()
        produce, topic = producer.produce, self._topic
        for message in messages:
            produce(topic, message.value(), message.key())
        offsets = self._consumer.position(self._consumer.assignment())
        offsets = [each for each in offsets if each.offset >= 0]
        if self._is_exactly_once:
            group = self._consumer.consumer_group_metadata()
            self._commit = BackgroundCommit(
                (
                    lambda: producer.send_offsets_to_transaction(offsets, group, COMMIT_TIMEOUT),
                    lambda: producer.commit_transaction(COMMIT_TIMEOUT),
                ),
                COMMIT_TIMEOUT,
            )
        else:
            self._offsets = offsets
            self._commit = BackgroundCommit((self._flush,), COMMIT_TIMEOUT)
        self._commits.run(self._commit)

    def _flush(self) -> None:
        if self._producer.flush(COMMIT_TIMEOUT):
            raise TimeoutError("records are not acknowledged")

    def _finish_commit(self) -> None:
        if self._commit and self._commit.exception:
            raise self._commit.exception
        if self._commit and not self._is_exactly_once:
            self._consumer.commit(offsets=self._offsets, asynchronous=True)
        self._commit = None


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Copier().run(stop)


if __name__ == "__main__":
    main()
