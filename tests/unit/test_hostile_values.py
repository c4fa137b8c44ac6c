"""No message is slow to read: what a byte costs is bounded, and does not grow with the size."""

import time
from collections.abc import Callable

import pytest

from bench.hostile_values import shapes
from kafka_processor.pipeline import Pipeline
from tests.unit.pipeline_runs import KEY, NOW, PARTITION, message, settings

SHAPES = dict(shapes())
PIPELINE = Pipeline(settings(MAX_MESSAGE_BYTES="104857600"), KEY)
SMALL, LARGE, FOUR_TIMES_LARGE = 30_000, 100_000, 400_000
"""Bytes; the first is read in another way than the others."""
GENEROUS: float = 300e-9
"""Seconds a byte: three times what is promised, for slow and busy machines."""
BASE = 500e-6
"""Seconds that are no growth, whatever their share: they are within the noise."""
TRIES = 7
ENOUGH_TRIES = 3
"""So that one slow moment of the machine hides no growth."""


def processor_seconds(value: bytes) -> float:
    began = time.thread_time()
    PIPELINE.work(PARTITION, [message(value)], NOW, {})
    return time.thread_time() - began


def costs_little(value: bytes) -> bool:
    return any(processor_seconds(value) <= GENEROUS * len(value) + BASE for _ in range(TRIES))


def grows_with_its_size_alone(value: bytes, larger: bytes) -> bool:
    """The two take turns, so that a busy machine slows down both."""
    allowed = 6 * len(larger) / (4 * len(value))
    before = after = float("inf")
    for attempt in range(1, TRIES + 1):
        before = min(before, processor_seconds(value))
        after = min(after, processor_seconds(larger))
        if attempt >= ENOUGH_TRIES and after <= allowed * before + BASE:
            return True
    return False


@pytest.mark.parametrize("build", SHAPES.values(), ids=SHAPES.keys())
def test_a_byte_costs_little_and_not_more_in_a_larger_message(
    build: Callable[[int], bytes],
) -> None:
    small, large, larger = build(SMALL), build(LARGE), build(FOUR_TIMES_LARGE)
    assert costs_little(small)
    assert costs_little(large)
    assert grows_with_its_size_alone(large, larger)


def test_there_are_shapes_enough() -> None:
    assert len(SHAPES) >= 30
    assert all(len(build(LARGE)) >= LARGE * 0.8 for build in SHAPES.values())
