"""Messages to put through the pipeline, and what came out of it, decoded."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import Message

from kafka_processor.config import Settings, load_settings
from kafka_processor.metrics import MessageMetrics
from kafka_processor.pipeline import Pipeline, Work

KEY = bytes(range(32))
NOW = 1_720_576_825_120
"""2024-07-10T02:00:25.120Z"""
PARTITION = 3
OFFSET = 42
MESSAGE_ID = "user-login-3-42"

EVENT: dict[str, Any] = {
    "user_id": "424cdd21-063a-43a7-b91b-7ca1a833afae",
    "app_version": "2.3.0",
    "device_type": "android",
    "ip": "199.172.111.135",
    "locale": "RU",
    "device_id": "593-47-5928",
    "timestamp": 1694479551,
}

Headers = list[tuple[str, str | bytes | None]]
Refusals = Mapping[tuple[int, int], str]


class Published(NamedTuple):
    topic: str
    key: bytes | None
    value: bytes

    @property
    def record(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.value)
        return decoded


class Run(NamedTuple):
    """What became of one message."""

    published: Published | None
    """None: skipped."""
    line: dict[str, Any]
    """Its metrics line."""
    work: Work

    @property
    def outcome(self) -> str:
        outcome: str = self.line["outcome"]
        return outcome

    @property
    def record(self) -> dict[str, Any]:
        assert self.published is not None
        return self.published.record


def settings(**given: str) -> Settings:
    return load_settings(given)


def event(**changes: Any) -> bytes:
    """The JSON of a login event with other or more fields."""
    return json.dumps(EVENT | changes).encode()


def event_without(*names: str, **changes: Any) -> bytes:
    fields = EVENT | changes
    return json.dumps({name: fields[name] for name in fields if name not in names}).encode()


def message(
    value: bytes | None,
    offset: int = OFFSET,
    timestamp: tuple[int, int] = (1, NOW),
    headers: Headers | None = None,
) -> Message:
    return Message(
        topic="user-login",
        partition=PARTITION,
        offset=offset,
        value=value,
        timestamp=timestamp,
        headers=headers,
    )


def run(
    value: bytes | None,
    timestamp: tuple[int, int] = (1, NOW),
    headers: Headers | None = None,
    refused: Refusals | None = None,
    key: bytes = KEY,
    **given: str,
) -> Run:
    """Puts one message through, and checks that it left exactly one trace of each kind."""
    pipeline = Pipeline(settings(**given), key)
    one = message(value, timestamp=timestamp, headers=headers)
    work = pipeline.work(PARTITION, [one], NOW, refused or {})

    assert work.next_offset == OFFSET + 1
    assert work.outcomes.total() == 1
    [metrics] = MessageMetrics.records(work.lines, 0.000004, NOW)
    [line] = json.loads(metrics)["message_details"]
    assert work.outcomes[line["outcome"]] == 1
    if line["outcome"] == "skipped":
        assert work.records == []
        return Run(None, line, work)
    [record] = work.records
    return Run(Published(*record), line, work)
