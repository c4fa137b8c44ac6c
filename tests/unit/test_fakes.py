"""The fakes of the loop's ends do what the real ones do (tests/integration/test_ports.py)."""

import json
from typing import Any

import pytest

from tests.support.fakes import FakeBroker, FakeInput, FakeOutput, FakeTime
from tests.support.port_contract import PortContract


class FakeWorld:
    input_topic = "input"
    output_topic = "output"

    def __init__(self) -> None:
        time = FakeTime()
        self.broker = FakeBroker(1)
        self.input = FakeInput(self.broker, time)
        self.output = FakeOutput(self.input, time, is_exactly_once=True)
        self.input.assign([0])

    def send(self, values: list[bytes]) -> None:
        for value in values:
            self.broker.send(0, value)

    def visible(self) -> list[dict[str, Any]]:
        return [json.loads(value) for _, _, value in self.broker.records]


class TestFakes(PortContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()
