"""Every outcome and edge of the contract, one message each, through one run of the program."""

import hmac
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

import pytest

from tests.support.cases import ANY_ERROR, FIELDS, Case, expected_content, masked, pseudonym
from tests.support.cases_of_form import field_cases, parse_cases
from tests.support.cases_of_values import (
    REPLAYED,
    age_cases,
    header_and_key_cases,
    replay_cases,
    transform_cases,
)
from tests.support.job import KEY, Job, Site
from tests.support.murmur2 import java_partition, murmur2
from tests.support.outputs import Json, Record, Results, record_times

CASES = [
    *parse_cases(),
    *field_cases(),
    *transform_cases(),
    *age_cases(),
    *header_and_key_cases(),
    *replay_cases(),
]
PARTITIONS = 4
KEY_ID = hmac.digest(bytes.fromhex(KEY), b"kafka_processor key id", "sha256").hex()[:8]
WRITTEN_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass
class Run:
    job: Job
    results: Results
    log: str
    began: float
    ended: float
    message_ids: dict[str, str]
    """Of each case, by its name."""

    def records_of(self, case: Case) -> list[Record]:
        message_id = self.message_ids[case.name]
        return [each for each in self.results.outcomes if each.value["message_id"] == message_id]

    def line_of(self, case: Case) -> Json:
        message_id = self.message_ids[case.name]
        lines = [line for line in self.results.lines if line["message_id"] == message_id]
        assert len(lines) == 1, lines
        return lines[0]


@pytest.fixture(scope="module")
def run(site: Site) -> Iterator[Run]:
    with Job(site, PARTITIONS) as job:
        began = time.time()
        message_ids = {}
        sent: Counter[int] = Counter()
        daemon = job.launch()
        for number, case in enumerate(CASES):
            partition = number % PARTITIONS
            first = f"{job.input}-{partition}-0".encode()
            headers = [(n, first if v == REPLAYED.encode() else v) for n, v in case.headers or []]
            job.send(case.value, partition, case.key, case.age, headers or None)
            message_ids[case.name] = f"{job.input}-{partition}-{sent[partition]}"
            sent[partition] += 1
        job.flush()
        daemon.wait_for_start()
        job.wait_for_lines(len(CASES))
        daemon.stop()
        ended = time.time()
        yield Run(job, job.results(), daemon.log, began, ended, message_ids)


def by_name(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def test_case_names_are_unique() -> None:
    assert [name for name, count in Counter(case.name for case in CASES).items() if count > 1] == []


@by_name([case for case in CASES if case.outcome == "processed"])
def test_processed(run: Run, case: Case) -> None:
    assert run.line_of(case)["outcome"] == "processed"
    (record,) = run.records_of(case)
    assert record.topic == run.job.topics["processed"]
    assert case.fields
    value = {name: text for name, text in record.value.items() if name != "replay_of"}
    assert value == {
        "message_id": run.message_ids[case.name],
        "user_id": case.fields["user_id"],
        "app_version": case.fields["app_version"],
        "device_type": case.fields["device_type"],
        "ip": case.ip or masked(case.fields["ip"]),
        "locale": case.fields["locale"],
        "device_id": pseudonym(case.fields["device_id"]),
        "key_id": KEY_ID,
        "timestamp": case.time,
    }
    assert record.key == case.fields["user_id"].encode()


@by_name([case for case in CASES if case.outcome == "filtered"])
def test_filtered(run: Run, case: Case) -> None:
    assert run.line_of(case)["outcome"] == "filtered"
    (record,) = run.records_of(case)
    assert record.topic == run.job.topics["cleaned"]
    assert case.fields
    assert record.value["clean_type"] == "filtered_app_version"
    assert record.value["user_id"] == case.fields["user_id"]
    assert record.value["message_content"] == expected_content(case.fields, KEY_ID)
    assert record.key == case.fields["user_id"].encode()


@by_name([case for case in CASES if case.outcome == "skipped"])
def test_skipped(run: Run, case: Case) -> None:
    line = run.line_of(case)
    assert (line["outcome"], line["topic"]) == ("skipped", None)
    assert run.records_of(case) == []


@by_name([case for case in CASES if case.outcome == "parse_error"])
def test_parse_error(run: Run, case: Case) -> None:
    record = error_record(run, case)
    assert record.value["message_content"] is None
    assert record.value["user_id"] is None
    assert record.key is None


@by_name(
    [
        case
        for case in CASES
        if case.outcome in ("missing_field", "invalid_field", "transform_error")
    ]
)
def test_faulty_field(run: Run, case: Case) -> None:
    record = error_record(run, case)
    found = re.findall(rf"\b({'|'.join(FIELDS)})\b", record.value["error_message"])
    assert tuple(dict.fromkeys(found)) == case.named, record.value["error_message"]
    if case.fields is None:
        return
    user_id = case.fields.get("user_id")
    valid = isinstance(user_id, str) and 0 < len(user_id) <= 1024
    assert record.value["user_id"] == (user_id if valid else None)
    assert record.key == (str(user_id).encode() if valid else None)
    assert record.value["message_content"] == expected_content(case.fields, KEY_ID)


@by_name([case for case in CASES if case.outcome == ANY_ERROR])
def test_number_that_no_double_holds(run: Run, case: Case) -> None:
    error_record(run, case)


def error_record(run: Run, case: Case) -> Record:
    (record,) = run.records_of(case)
    assert record.topic == run.job.topics["errors"], record.value
    error_type = record.value["error_type"]
    assert error_type in ("parse_error", "missing_field", "invalid_field", "transform_error")
    assert case.outcome in (error_type, ANY_ERROR), record.value
    assert run.line_of(case)["outcome"] == error_type
    assert 0 < len(record.value["error_message"]) <= 500
    return record


@by_name(replay_cases())
def test_replayed_message_says_so(run: Run, case: Case) -> None:
    topic_and_partition = run.message_ids[case.name].rpartition("-")[0]
    first = f"{topic_and_partition}-0"
    assert run.line_of(case)["replay_of"] == first
    for record in run.records_of(case):
        assert record.value["replay_of"] == first


def test_replay_of_is_absent_otherwise(run: Run) -> None:
    replayed = {case.name for case in replay_cases()}
    plain = {run.message_ids[case.name] for case in CASES if case.name not in replayed}
    assert not any("replay_of" in line for line in run.results.lines if line["message_id"] in plain)
    assert not any(
        "replay_of" in each.value
        for each in run.results.outcomes
        if each.value["message_id"] in plain
    )


def test_each_message_has_exactly_one_outcome(run: Run) -> None:
    lines = Counter(line["message_id"] for line in run.results.lines)
    assert lines == Counter(run.message_ids.values())
    records = Counter(record.value["message_id"] for record in run.results.outcomes)
    skipped = [line["message_id"] for line in run.results.lines if line["outcome"] == "skipped"]
    assert records == Counter(set(run.message_ids.values()) - set(skipped))


def test_fields_of_error_records(run: Run) -> None:
    for record in run.results.errors:
        names = {
            "message_id", "user_id", "error_type", "error_message", "message_content", "source",
            "timestamp",
        }  # fmt: skip
        assert set(record.value) - {"replay_of"} == names
        source = record.value["source"]
        assert set(source) == {"topic", "partition", "offset", "timestamp"}
        coordinates = f"{source['topic']}-{source['partition']}-{source['offset']}"
        assert coordinates == record.value["message_id"]
        assert seconds(source["timestamp"]) <= run.ended
        assert run.began - 0.001 <= seconds(record.value["timestamp"]) <= run.ended


def test_error_records_are_small(run: Run) -> None:
    """Even of large messages: seven fields of at most 1,024 characters of 4 bytes and the rest."""
    assert max(len(record.raw) for record in run.results.errors) < 40_000


def test_source_timestamp_is_that_of_the_input_record(run: Run) -> None:
    sent = record_times(run.job.site.broker, run.job.input)
    for record in run.results.errors:
        source = record.value["source"]
        expected = sent[source["partition"], source["offset"]]
        assert abs(seconds(source["timestamp"]) - expected) < 0.0001


def test_fields_of_cleaned_records(run: Run) -> None:
    names = {"message_id", "user_id", "clean_type", "message_content", "timestamp"}
    for record in run.results.cleaned:
        assert set(record.value) - {"replay_of"} == names
        assert run.began - 0.001 <= seconds(record.value["timestamp"]) <= run.ended


def test_fields_of_metrics_lines(run: Run) -> None:
    topics = {
        "processed": run.job.topics["processed"],
        "filtered": run.job.topics["cleaned"],
        "skipped": None,
    }
    names = {"message_id", "outcome", "topic", "processing_time", "latency", "timestamp"}
    for record in run.results.metrics:
        assert set(record.value) == {"message_details"}
        assert 0 < len(record.value["message_details"]) <= 1000
        assert len(record.raw) <= 256 * 1024
        assert record.key is None
    for line in run.results.lines:
        assert set(line) - {"replay_of"} == names
        assert line["topic"] == topics.get(line["outcome"], run.job.topics["errors"])
        assert isinstance(line["processing_time"], float)
        assert 0 <= line["processing_time"] < 10
        assert isinstance(line["latency"], float)
        assert run.began - 0.001 <= seconds(line["timestamp"]) <= run.ended


def test_latency_is_the_age_of_the_record(run: Run) -> None:
    for case in age_cases():
        assert case.age is not None
        latency = run.line_of(case)["latency"]
        assert case.age - 1 <= latency <= case.age + (run.ended - run.began) + 1


def test_summary_counts_everything(run: Run) -> None:
    names = {
        "consumer_group", "source_topic", "source_partition", "next_offset",
        "counted_since_offset", "total_received_count", "processed_count", "filtered_count",
        "skipped_count", "error_count", "replayed_count", "error_type_counts",
        "device_type_counts", "locale_counts", "timestamp",
    }  # fmt: skip
    job, results = run.job, run.results
    for record in results.summary:
        value = record.value
        assert set(value) == names
        assert value["consumer_group"] == job.group
        assert value["source_topic"] == job.input
        assert record.key == f"{job.group}/{job.input}-{value['source_partition']}".encode()
        assert value["counted_since_offset"] == 0
        assert value["total_received_count"] == value["next_offset"]
        assert value["total_received_count"] == sum(
            value[f"{name}_count"] for name in ("processed", "filtered", "skipped", "error")
        )
        assert value["error_count"] == sum(value["error_type_counts"].values())
        assert value["processed_count"] == sum(value["device_type_counts"].values())
        assert value["processed_count"] == sum(value["locale_counts"].values())
        assert run.began - 0.001 <= seconds(value["timestamp"]) <= run.ended
    assert set(results.latest_summaries()) == set(range(PARTITIONS))
    assert results.total("total_received_count") == len(CASES)
    assert results.total("processed_count") == len(results.processed)
    assert results.total("filtered_count") == len(results.cleaned)
    assert results.total("error_count") == len(results.errors)
    types: Counter[str] = Counter()
    for summary in results.latest_summaries().values():
        types.update(summary["error_type_counts"])
    assert +types == Counter(record.value["error_type"] for record in results.errors)


def test_replayed_messages_are_counted(run: Run) -> None:
    assert run.results.total("replayed_count") == len(replay_cases())


def test_output_records_have_no_headers_and_the_time_of_writing(run: Run) -> None:
    for record in run.results.all:
        assert not record.has_headers
        assert run.began - 0.001 <= record.time <= run.ended


def test_murmur2_is_that_of_java() -> None:
    """Values of the unit test of Kafka's own Java client."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
             b"a-little-bit-longer-string": -1486304829, b"abc": 479470107}  # fmt: skip
    assert {key: murmur2(key) for key in known} == {
        key: value % 2**32 for key, value in known.items()
    }


def test_records_with_a_key_are_partitioned_as_in_java(run: Run) -> None:
    keyed = [record for record in run.results.all if record.key is not None]
    assert {record.partition for record in keyed} == set(range(PARTITIONS))
    for record in keyed:
        assert record.key is not None
        assert record.partition == java_partition(record.key, PARTITIONS)


def test_outputs_have_as_many_partitions_as_the_input(run: Run) -> None:
    topics = run.job.admin.list_topics(timeout=10).topics
    for topic in run.job.topics.values():
        assert len(topics[topic].partitions) == PARTITIONS


def test_addresses_and_devices_are_copied_nowhere(run: Run) -> None:
    secrets = set()
    for case in CASES:
        text = (case.value or b"").decode(errors="replace")
        secrets.update(re.findall(r"593-47-\d{6}", text))
        secrets.update(re.findall(r"\b93\.\d+\.\d+\.[1-9]\d*", text))
        for name in ("ip", "device_id"):
            secrets.update(texts_in((case.fields or {}).get(name)))
    secrets = {text for text in secrets if len(text) > 6 and masked(text) != text}
    secrets -= {"2001:db8::/32"}  # a part of it is the masked form of other addresses
    assert len(secrets) > len(CASES)
    output = [run.log]
    for record in run.results.all:
        output += [record.raw.decode(), (record.key or b"").decode(), *texts_in(record.value)]
    everything = "\n".join(output)
    assert [secret for secret in secrets if secret in everything] == []


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)
    elif value is not None:
        yield str(value)


def seconds(text: str) -> float:
    """A time written by the program, as seconds since the epoch."""
    assert WRITTEN_TIME.fullmatch(text), text
    parsed = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return parsed.timestamp()
