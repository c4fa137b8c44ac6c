"""A broker that does not answer in time is not reported as a missing permission."""

import logging
import socket
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from kafka_processor.errors import TopicsNotReadyError
from kafka_processor.topics import creation as topics


def test_a_broker_that_is_silent_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TIMEOUT", 0.3)
    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.CRITICAL)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        config: dict[str, Any] = {"bootstrap.servers": servers, "logger": quiet}
        admin = AdminClient(config)
        with pytest.raises(TopicsNotReadyError) as ended:
            topics.allowed_operations(admin, "processed-output")
    assert "topic processed-output" in str(ended.value)
    assert "_TIMED_OUT" in str(ended.value)
    assert "permission" not in str(ended.value)
