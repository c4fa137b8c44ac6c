"""What the tests of the audit need: outputs to tamper with, and the script run on them."""

import contextlib
import copy
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.job import OUTPUTS, Job
from tests.support.outputs import Record, Results
from tests.support.program import PROJECT_FOLDER
from tests.support.waiting import TIMEOUT, wait_until

SCRIPT = PROJECT_FOLDER / "verify" / "verify_delivery.py"
Json = dict[str, Any]


@dataclass(frozen=True)
class Audited:
    """What the script said."""

    code: int
    stdout: str
    stderr: str

    @property
    def violations(self) -> list[Json]:
        objects = [json.loads(line) for line in self.stdout.splitlines()]
        return [each["violation"] for each in objects if "violation" in each]

    @property
    def verdict(self) -> Json:
        verdict: Json = json.loads(self.stdout.splitlines()[-1])["verdict"]
        return verdict

    def found(self) -> set[tuple[str, str | None]]:
        """Kind and message of each violation."""
        return {(each["kind"], each["message_id"]) for each in self.violations}


def run_audit(
    settings: Mapping[str, str],
    *flags: str,
    script: Path | str = SCRIPT,
    folder: Path | None = None,
) -> Audited:
    ended = subprocess.run(
        [sys.executable, str(script), *flags],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT_FOLDER), **settings},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return Audited(ended.returncode, ended.stdout, ended.stderr)


@dataclass
class Copied:
    """An output record that may be changed before it is written."""

    partition: int
    key: bytes | None
    value: Any
    headers: list[tuple[str, bytes]] = field(default_factory=list)


class Outputs:
    """All outputs of a job, to be changed and written to topics of their own."""

    def __init__(self, results: Results, committed: Mapping[int, tuple[int, str]]) -> None:
        self.topics = {
            name: [_copied(record) for record in getattr(results, name)] for name in OUTPUTS
        }
        self.committed = dict(committed)
        """By input partition the offset and its metadata."""

    def record_of(self, message_id: str) -> Copied:
        """The record of a message in processed-output, processed-errors or cleaned-data."""
        return next(
            each
            for name in ("processed", "errors", "cleaned")
            for each in self.topics[name]
            if each.value["message_id"] == message_id
        )

    def topic_of(self, message_id: str) -> list[Copied]:
        wanted = self.record_of(message_id)
        return next(each for each in self.topics.values() if wanted in each)

    def line_of(self, message_id: str) -> Json:
        return next(line for line in self._lines() if line["message_id"] == message_id)

    def metrics_of(self, message_id: str) -> Copied:
        """The metrics record that holds the message's line."""
        return next(
            each
            for each in self.topics["metrics"]
            if any(line["message_id"] == message_id for line in each.value["message_details"])
        )

    def summary_of(self, partition: int) -> Json:
        """The latest of an input partition."""
        found = [
            s.value for s in self.topics["summary"] if s.value["source_partition"] == partition
        ]
        latest: Json = found[-1]
        return latest

    def ids(self, outcome: str) -> list[str]:
        return [line["message_id"] for line in self._lines() if line["outcome"] == outcome]

    def _lines(self) -> Iterator[Json]:
        for record in self.topics["metrics"]:
            yield from record.value["message_details"]


Change = Callable[[Outputs], None]


class Laboratory:
    """Writes changed copies of a job's outputs, under a group of their own, and audits them."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._outputs = Outputs(job.results(), committed_with_metadata(job))
        self._topics: list[str] = []

    def __enter__(self) -> "Laboratory":
        return self

    def __exit__(self, *_: object) -> None:
        if self._topics:
            for future in self.job.admin.delete_topics(self._topics).values():
                with contextlib.suppress(Exception):
                    future.result(TIMEOUT)

    @property
    def outputs(self) -> Outputs:
        """As they were: to look at."""
        return self._outputs

    def changed(self, *changes: Change) -> dict[str, str]:
        """The settings under which the changed outputs are found."""
        outputs = copy.deepcopy(self._outputs)
        for change in changes:
            change(outputs)
        suffix = secrets.token_hex(4)
        group = f"test-audit-{suffix}"
        topics = {name: f"test-audit-{name}-{suffix}" for name in OUTPUTS}
        names = {self.job.topics[name]: topic for name, topic in topics.items()}
        self._create(list(topics.values()))
        producer = Producer({"bootstrap.servers": self.job.site.broker, "log_level": 0})
        for name, records in outputs.topics.items():
            for record in records:
                value, key = _renamed(record.value, names), record.key
                if name == "summary":
                    value["consumer_group"] = group
                    key = f"{group}/{self.job.input}-{value['source_partition']}".encode()
                producer.produce(
                    topics[name],
                    value
                    if value is None or isinstance(value, bytes)
                    else json.dumps(value).encode(),
                    key,
                    record.partition,
                    headers=record.headers or None,  # type: ignore[arg-type]
                )
        assert producer.flush(TIMEOUT) == 0
        self._commit(group, outputs.committed)
        settings = {f"{name.upper()}_TOPIC": topic for name, topic in topics.items()}
        return self.job.settings(CONSUMER_GROUP=group, **settings)

    def _create(self, topics: list[str]) -> None:
        self._topics += topics
        new = [NewTopic(topic, num_partitions=self.job.partitions) for topic in topics]
        for future in self.job.admin.create_topics(new).values():
            future.result(TIMEOUT)
        wait_until(lambda: set(topics) <= _existing(self.job.admin), "topics")

    def _commit(self, group: str, committed: Mapping[int, tuple[int, str]]) -> None:
        consumer = _consumer(self.job.site.broker, group)
        offsets = [
            TopicPartition(self.job.input, partition, offset, metadata)
            for partition, (offset, metadata) in committed.items()
        ]
        if offsets:
            consumer.commit(offsets=offsets, asynchronous=False)
        consumer.close()


def delete_before(job: Job, topic: str, offsets: Mapping[int, int]) -> None:
    """As retention does: records of each partition below an offset."""
    wanted = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    for future in job.admin.delete_records(wanted).values():
        future.result(TIMEOUT)


def committed_with_metadata(job: Job) -> dict[int, tuple[int, str]]:
    consumer = _consumer(job.site.broker, job.group)
    wanted = [TopicPartition(job.input, number) for number in range(job.partitions)]
    found = consumer.committed(wanted, timeout=TIMEOUT)
    consumer.close()
    return {
        each.partition: (each.offset, each.metadata or "") for each in found if each.offset >= 0
    }


def time_text(seconds_from_now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_from_now))


def _consumer(broker: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": group,
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )


def _existing(admin: AdminClient) -> set[str]:
    return set(admin.list_topics(timeout=TIMEOUT).topics)


def _copied(record: Record) -> Copied:
    return Copied(record.partition, record.key, record.value)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """With the topics' names as they are in the copies."""
    if not isinstance(value, dict) or "message_details" not in value:
        return copy.deepcopy(value)
    return {
        **value,
        "message_details": [
            {**line, "topic": names.get(line["topic"], line["topic"])} if "topic" in line else line
            for line in value["message_details"]
        ],
    }
