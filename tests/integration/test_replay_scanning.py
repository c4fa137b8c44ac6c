"""What the replay reads, while it changes."""

import threading
from contextlib import closing

import pytest

from kafka_processor.config import load_settings
from kafka_processor.errors import CannotReadError
from kafka_processor.replay.scanning import TopicScanner
from kafka_processor.terminal.progress import Progress
from tests.support.job import Job
from tests.support.waiting import TIMEOUT

COUNT = 200_000
"""Bytes and messages enough that not all of them can wait in the client."""


def test_a_topic_deleted_in_the_middle_ends_it(job: Job) -> None:
    for _ in range(COUNT):
        job.send(b"x" * 200)
    job.flush()
    stopping = threading.Event()
    given_up = threading.Timer(TIMEOUT, stopping.set)
    given_up.start()
    with closing(TopicScanner(load_settings(job.settings()), Progress(), stopping)) as scanner:
        messages = scanner.read(scanner.spans([job.input]), lambda done, total: f"{done} {total}")
        next(messages)
        job.delete_topic(job.input)
        with pytest.raises(CannotReadError, match=f"topic {job.input} was deleted"):
            for _ in messages:
                pass
    given_up.cancel()
