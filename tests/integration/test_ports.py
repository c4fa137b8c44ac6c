"""The real ends of the loop do what it relies on, as its fakes do (tests/unit/test_fakes.py)."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from kafka_processor.config import load_settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.delivery.exactly_once import ExactlyOnceProducer
from kafka_processor.record_limits import RecordLimits
from kafka_processor.startup.logs import ClientLog
from tests.support.job import Job
from tests.support.outputs import CommittedReader
from tests.support.port_contract import PortContract


class RealWorld:
    def __init__(self, job: Job) -> None:
        self._job = job
        self.input_topic = job.input
        self.output_topic = job.topics["errors"]
        job.create_topic(self.output_topic, 1)
        settings = load_settings(job.settings())
        log = structlog.get_logger()
        self.input = InputConsumer(settings, log, ClientLog(log))
        self.output = ExactlyOnceProducer(settings, self.input, RecordLimits(), ClientLog(log))

    def send(self, values: list[bytes]) -> None:
        for value in values:
            self._job.send(value)
        self._job.flush()

    def visible(self) -> list[dict[str, Any]]:
        reader = CommittedReader(self._job.site.broker, [self.output_topic])
        try:
            reader.read_to_end()
        finally:
            reader.close()
        return [record.value for record in reader.records[self.output_topic]]

    def close(self) -> None:
        self.output.close()
        self.input.close(5)


class TestRealEnds(PortContract):
    @pytest.fixture
    def world(self, job: Job) -> Iterator[RealWorld]:
        world = RealWorld(job)
        yield world
        world.close()
