"""Which topic has the input's name now: one that was deleted and created again has another id.

The client continues such a topic at the old offset and reports nothing (librdkafka notes the new id
and keeps the offset). So the id is asked for before a partition starts, from time to time, and with
each commit (KIP-516).
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from kafka_processor.clients.client_config import admin_config
from kafka_processor.clients.disposal import free_in_background
from kafka_processor.clients.kafka_errors import error_of
from kafka_processor.config import Settings

WATCH_INTERVAL: Final = 2.0
"""Seconds between two questions while nothing is committed."""
ANSWER_TIMEOUT: Final = 0.5
"""Seconds that a commit waits for the answer, which is usually there before it is needed."""
MARGIN: Final = 1.0
"""Seconds that the client may take, beyond a timeout, to say that it has passed."""
RENEWAL_INTERVAL: Final = 3.0
"""Seconds between two new clients while there is no answer."""
_NO_ID: Final = "A" * 22
"""What a broker before 2.8 answers, in the client's form."""


class InputTopic:
    """Ids are text in the client's form; empty: not known, or the broker has none."""

    def __init__(self, settings: Settings, client_log: Any) -> None:
        self._topic = settings.input_topic
        self._config = admin_config(settings) | {"logger": client_log}
        self._admin = AdminClient(self._config)
        self._next_renewal = 0.0
        self._asked: Future[Any] | None = None
        self._next_question = 0.0
        self._is_answered = True
        self._answered_since: float | None = None
        self._current_id: str | None = ""
        self.read_id = ""
        """The id of the topic whose messages are read."""

    @property
    def has_changed(self) -> bool:
        """Whether another topic than the one that is read has the name, as last answered."""
        return self._is_other(self._current_id, self.read_id)

    @property
    def is_missing(self) -> bool:
        return self._current_id is None

    @property
    def answered_for(self) -> float:
        """Seconds for which a broker has answered each question of `watch`.

        Its client has no state to lose: without a broker it starts from bootstrap.servers again.
        """
        return 0.0 if self._answered_since is None else time.monotonic() - self._answered_since

    def forget_answers(self) -> None:
        """Counts `answered_for` from the next answer on."""
        self._answered_since = None

    def look(self, timeout: float) -> str | None:
        """Returns the id of the topic, None if there is none. Raises KafkaException.

        Blocks up to `timeout` seconds.
        """
        try:
            self._note(self._ask(timeout), timeout + MARGIN)
        except KafkaException:
            self._renew(time.monotonic())
            raise
        return self._current_id

    def watch(self) -> None:
        """Asks again every WATCH_INTERVAL seconds, and notes the answer. Never waits."""
        now = time.monotonic()
        if self._asked:
            if not self._asked.done():
                return
            asked, self._asked = self._asked, None
            try:
                self._note(asked, 0)
                self._is_answered = True
                self._answered_since = self._answered_since or now
            except KafkaException:
                self._answered_since = None
                self._renew(now)
        if now >= self._next_question:
            self._next_question = now + WATCH_INTERVAL
            self._admin.poll(0)  # log lines pile up in a client that is not polled
            self._asked = self._ask(WATCH_INTERVAL)

    def ask(self) -> Callable[[], bool]:
        """Asks for the id; the returned function, for any thread, says whether it has changed.

        It waits up to ANSWER_TIMEOUT seconds. No answer in time counts as unchanged, and nothing is
        asked here until `watch` has an answer again: a broker that is away must not delay commits.
        """
        read_id = self.read_id
        if not (read_id and self._is_answered):
            return lambda: False
        asked = self._ask(ANSWER_TIMEOUT)

        def has_changed() -> bool:
            try:
                return self._is_other(_topic_id(asked, ANSWER_TIMEOUT), read_id)
            except KafkaException:
                self._is_answered = False
                return False

        return has_changed

    def _ask(self, timeout: float) -> Future[Any]:
        [future] = self._admin.describe_topics(
            TopicCollection([self._topic]), request_timeout=timeout
        ).values()
        return future

    def _renew(self, now: float) -> None:
        """Starts from bootstrap.servers again. The client puts such a question to the controller
        alone, and waits in vain for one that is gone while other brokers answer."""
        if now >= self._next_renewal:
            self._next_renewal = now + RENEWAL_INTERVAL
            self._asked = None  # its answer would never come
            old = [self._admin]
            self._admin = AdminClient(self._config)
            free_in_background(old)

    def _note(self, asked: Future[Any], timeout: float) -> None:
        self._current_id = _topic_id(asked, timeout)

    @staticmethod
    def _is_other(current_id: str | None, read_id: str) -> bool:
        return bool(current_id and read_id and current_id != read_id)


def _topic_id(asked: Future[Any], timeout: float) -> str | None:
    """Raises KafkaException."""
    try:
        topic_id = str(asked.result(timeout).topic_id)
    except FutureTimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
    except KafkaException as exception:
        if error_of(exception).code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
    return "" if topic_id == _NO_ID else topic_id
