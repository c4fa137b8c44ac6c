"""Whether a contestant does the whole job: the audit, and its records against ours, one by one."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from bench.contestant_process import PROJECT, ContestantFailed, ContestantProcess
from bench.contestants import Contestant
from bench.topics import Topics, committed_total

DEADLINE = 120.0
RECORD_OUTPUTS = ("PROCESSED_TOPIC", "ERRORS_TOPIC", "CLEANED_TOPIC")
_decode = msgspec.json.Decoder().decode

Outputs = dict[str, tuple[str, dict[str, Any]]]
"""By message_id: the setting that names its topic, and the record."""


@dataclass(frozen=True)
class SameJob:
    records: int
    differing: int
    """Records that ours has not, or has otherwise; times of writing and wordings of errors apart,
    and records that are missing."""
    audit: str
    """The audit's verdict, in its words."""


def outputs_of(
    contestant: Contestant, topics: Topics, topic: str, partitions: int
) -> tuple[Outputs, str]:
    """What it makes of the topic, once all of that is committed, and what the audit says to that.

    Raises ContestantFailed.
    """
    with topics.run(topic, partitions) as settings:
        environment = {**settings, **contestant.environment()}
        watcher = Consumer(
            {"bootstrap.servers": topics.bootstrap_servers, "group.id": settings["CONSUMER_GROUP"]}
        )
        parts = [TopicPartition(topic, number) for number in range(partitions)]
        total = sum(watcher.get_watermark_offsets(part)[1] for part in parts)
        with ContestantProcess(contestant.command(), environment) as process:
            deadline = time.monotonic() + DEADLINE
            while committed_total(watcher, parts) < total:
                process.check()
                if time.monotonic() > deadline:
                    raise ContestantFailed("it did not work off the input of the check in time")
                time.sleep(0.1)
        watcher.close()
        outputs: Outputs = {}
        for name in RECORD_OUTPUTS:
            for value in _read_all(topics.bootstrap_servers, settings[name]):
                record = _decode(value)
                outputs[record["message_id"]] = (name, record)
        return outputs, _audit(settings, contestant.delivery)


def compare(outputs: Outputs, ours: Outputs, audit: str) -> SameJob:
    common = outputs.keys() & ours.keys()
    differing = sum(_essence(*outputs[each]) != _essence(*ours[each]) for each in common)
    return SameJob(len(outputs), differing + len(outputs.keys() ^ ours.keys()), audit)


def _essence(name: str, record: dict[str, Any]) -> Any:
    """A record without what may differ: when it was written, and how an error is worded."""
    free = ("error_message",) if name == "PROCESSED_TOPIC" else ("error_message", "timestamp")
    return name, {key: value for key, value in record.items() if key not in free}


def _read_all(bootstrap_servers: str, topic: str) -> Iterator[bytes]:
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "bench-reader",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    unread = set(reader.list_topics(topic, 10).topics[topic].partitions)
    reader.assign([TopicPartition(topic, number, 0) for number in unread])
    while unread:
        for message in reader.consume(10_000, 0.2):
            if error := message.error():
                if error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
            elif value := message.value():
                yield value
    reader.close()


def _audit(settings: dict[str, str], delivery: str) -> str:
    audit = subprocess.run(
        [sys.executable, PROJECT / "verify" / "verify_delivery.py", "--json"],
        env={**settings, "DELIVERY": delivery, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = audit.stdout.splitlines()
    if not lines:
        return audit.stderr.strip()[-200:]
    return str(_decode(lines[-1])["verdict"]["text"])
