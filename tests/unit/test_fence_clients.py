"""The clients that find out who has our INSTANCE_ID end with that question."""

import sys
from pathlib import Path
from typing import Any

import pytest
import structlog
from confluent_kafka import KafkaError

from kafka_processor.membership.fence import Fence
from kafka_processor.startup.logs import ClientLog
from tests.support.program import NO_BROKER
from tests.support.waiting import wait_until
from tests.unit.pipeline_runs import settings


def clients() -> int:
    """How many Kafka clients this process has: each has one main thread."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text())
        except OSError:  # it has just ended
            continue
    return sum(name.startswith("rdk:main") for name in names)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_both_are_freed() -> None:
    log: Any = structlog.get_logger()
    before = clients()
    own = settings(KAFKA_BOOTSTRAP_SERVERS=NO_BROKER, INSTANCE_ID="one", LOG_LEVEL="error")
    fence = Fence(own, ClientLog(log), KafkaError(KafkaError._FATAL), [0])
    wait_until(lambda: clients() == before + 2, "both clients")
    fence.close()
    wait_until(lambda: clients() <= before, "the end of both clients")
