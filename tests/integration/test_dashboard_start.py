"""Where the dashboard begins to read: nothing is missed that comes while it finds that out."""

import logging
from collections.abc import Iterable

import pytest

from kafka_processor.config import load_settings
from kafka_processor.dashboard.board import Board
from kafka_processor.dashboard.cluster import Cluster
from kafka_processor.dashboard.feed import Feed, Start
from kafka_processor.dashboard.state import State
from tests.support.dashboards import produce
from tests.support.job import Job

WINDOW = 300


@pytest.mark.parametrize("answered", [1, 2], ids=["after the first answer", "after the second"])
def test_a_record_that_comes_while_the_brokers_are_asked_is_read(
    job: Job, answered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = job.topics["errors"]
    job.create_topic(errors, 1)
    settings = load_settings(job.settings())
    board = Board(State(settings, WINDOW))
    logger = logging.getLogger(__name__)
    cluster = Cluster(settings, board, Feed(settings, board, logger), WINDOW, logger)
    ask, answers = cluster._offsets, 0

    def ask_and_produce(places: Iterable[tuple[str, int]], at: int) -> dict[tuple[str, int], int]:
        nonlocal answers
        found = ask(places, at)
        answers += 1
        if answers == answered:
            produce(job, errors, b"the first of this topic")
        return found

    monkeypatch.setattr(cluster, "_offsets", ask_and_produce)
    assert cluster._starts([(errors, 0)]) == [Start(errors, 0, 0)]
    assert answers >= answered
