"""A real daemon and its spans and figures, as a collector receives them."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest

from tests.support.cases import login
from tests.support.job import Job, MakeJob
from tests.support.load import event, send_load, too_large_event
from tests.support.otlp import (
    METRICS,
    TRACES,
    Labels,
    ReceivedBatch,
    batches_of,
    last_metrics,
    metrics_resource,
    spans_of,
)
from tests.support.outputs import Json, Results
from tests.support.program import NO_BROKER, Daemon
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import wait_until

PREFIX = "kafka_processor_"
MALFORMED = (
    b"",
    b"00-xyz",
    b"\xff\x00",
    f"00-{'0' * 32}-{'1' * 16}-01".encode(),
    f"ff-{'1' * 32}-{'1' * 16}-01".encode(),
    b"00-" + b"1" * 60_000,
)
LOCALES = ("DE", "RU")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def start(job: Job, receiver: Receiver, **settings: str) -> Daemon:
    return job.start(**{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **settings})


def new_parent(flags: str = "01") -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{flags}"


def check_times(batch: ReceivedBatch, earliest: float, latest: float) -> None:
    """Wall-clock seconds; the parts lie within the batch, in the order of the work."""
    whole = batch.batch.span
    assert set(batch.parts) == {"poll", "work", "publish", "commit"}
    poll, work, publish, commit = (
        batch.parts[name].span for name in ("poll", "work", "publish", "commit")
    )
    assert earliest * 1e9 < whole.start_time_unix_nano < whole.end_time_unix_nano < latest * 1e9
    assert whole.start_time_unix_nano == poll.start_time_unix_nano
    assert whole.end_time_unix_nano == commit.end_time_unix_nano
    assert poll.start_time_unix_nano <= work.start_time_unix_nano
    assert work.start_time_unix_nano <= publish.start_time_unix_nano
    assert publish.start_time_unix_nano <= commit.start_time_unix_nano
    assert publish.end_time_unix_nano <= commit.start_time_unix_nano
    for part in (poll, work, publish, commit):
        assert part.start_time_unix_nano <= part.end_time_unix_nano
        assert part.trace_id == whole.trace_id
    for phase in batch.parts.values():
        duration = (phase.span.end_time_unix_nano - phase.span.start_time_unix_nano) / 1e9
        assert phase.attributes["kafka_processor.busy_seconds"] <= duration + 1e-5


def offsets_of(batches: Sequence[ReceivedBatch]) -> Counter[tuple[int, int]]:
    """Of the messages of the batches, by partition."""
    found: Counter[tuple[int, int]] = Counter()
    for each in batches:
        for text in each.batch.attributes["kafka_processor.offsets"]:
            partition, span = text.split(":")
            first, last = map(int, span.split("-"))
            found.update((int(partition), offset) for offset in range(first, last + 1))
    return found


def send_people(job: Job, parents: Sequence[str]) -> list[Json]:
    """A hundred events, a quarter at a time; what they hold, or were to hold."""
    people = [login(locale=LOCALES[number % 2]) for number in range(100)]
    for number, fields in enumerate(people):
        sent = dict(fields)
        if number % 7 == 0:
            sent["app_version"] = "1.0.0"
        if number % 11 == 0:
            del sent["device_type"]
        text = parents[number].encode() if number < len(parents) else MALFORMED[number % 6]
        headers = [("traceparent", text), ("other", b"x")] if number < 90 else None
        job.send(json.dumps(sent).encode(), number % 2, headers=headers)
        if number % 25 == 24:
            job.flush()
            job.wait_for_lines(number + 1)
    return people


def check_spans(job: Job, batches: Sequence[ReceivedBatch], outcomes: Counter[str]) -> None:
    """Each message of the job is in one batch, with its outcome."""
    found: Counter[str] = Counter()
    for each in batches:
        assert not each.batch.is_error
        assert each.batch.name == f"process {job.input}"
        about = each.batch.attributes
        assert about["messaging.system"] == "kafka"
        assert about["messaging.destination.name"] == job.input
        assert about["messaging.consumer.group.name"] == job.group
        by_outcome = {
            name.rpartition(".")[2]: value
            for name, value in about.items()
            if name.startswith("kafka_processor.messages.")
        }
        assert about["messaging.batch.message_count"] == sum(by_outcome.values())
        found.update(by_outcome)
    assert found == outcomes
    expected = Counter(
        (partition, offset) for partition, end in job.committed().items() for offset in range(end)
    )
    assert offsets_of(batches) == expected


def check_figures(job: Job, found: Mapping[str, Mapping[Labels, float]], results: Results) -> None:
    outcomes = Counter(line["outcome"] for line in results.lines)
    counted = {labels: count for labels, count in found[f"{PREFIX}messages_total"].items() if count}
    plain = {("", each): outcomes.pop(each) for each in ("processed", "filtered", "skipped")}
    assert counted == plain | {(kind, "error"): count for kind, count in outcomes.items()}
    for name in ("processed", "errors", "cleaned"):
        records = found[f"{PREFIX}records_total"][(job.topics[name],)]
        assert records == len(getattr(results, name)), name
    committed = {(str(number),): offset for number, offset in job.committed().items()}
    assert found[f"{PREFIX}partition_messages_total"] == committed
    assert found[f"{PREFIX}batch_messages_sum"] == {(): sum(committed.values())}
    assert found[f"{PREFIX}broker_up"][("1", "consumer")] == 1


def test_spans_and_figures_are_what_the_topics_hold(make_job: MakeJob, receiver: Receiver) -> None:
    job = make_job(2)
    parents = [new_parent("00" if number % 5 == 0 else "01") for number in range(60)]
    earliest = time.time()
    daemon = start(
        job, receiver, OTEL_SERVICE_NAME="logins", INSTANCE_ID="node-1",
        OTEL_METRIC_EXPORT_INTERVAL="200",
    )  # fmt: skip
    people = send_people(job, parents)
    job.send(b"no JSON", 0, age=3600)
    job.flush()
    job.wait_for_lines(101)
    # The client tells of its brokers once a second.
    wait_until(
        lambda: (
            len(receiver.posted(METRICS)) > 0 and f"{PREFIX}broker_up" in last_metrics(receiver)
        ),
        "the brokers' state by OTLP",
    )
    daemon.stop()
    results = job.results()

    batches = batches_of(receiver)
    assert len(batches) >= 4
    for each in batches:
        check_times(each, earliest, time.time())
    check_spans(job, batches, Counter(line["outcome"] for line in results.lines))
    links = [link for each in batches for link in each.batch.links]
    assert sorted(links) == sorted(parent[3:-3] for parent in parents)
    figures = last_metrics(receiver)
    check_figures(job, figures, results)
    assert figures[f"{PREFIX}commit_seconds_count"] == {(): len(batches)}

    for resource in (metrics_resource(receiver), spans_of(receiver)[0].resource):
        assert resource["service.name"] == "logins"
        assert resource["service.instance.id"] == "node-1"
    for fields in people:
        for name in ("ip", "device_id", "user_id"):
            assert fields[name].encode() not in receiver.everything
            assert fields[name] not in daemon.log


def test_a_backlog_is_few_spans_with_the_busy_time(job: Job, receiver: Receiver) -> None:
    count = 30_000
    for number in range(count):
        headers = [("traceparent", new_parent().encode())] if number % 10 == 0 else None
        job.send(event(0, number), headers=headers)
    job.flush()
    earliest = time.time()
    daemon = start(job, receiver, OTEL_METRICS_EXPORTER="none", MAX_MESSAGE_AGE="0")
    wait_until(lambda: job.committed_total() == count, lambda: f"all done:\n{daemon.log}")
    daemon.stop()
    batches = batches_of(receiver)
    assert offsets_of(batches) == Counter((0, offset) for offset in range(count))
    for each in batches:
        check_times(each, earliest, time.time())
        assert len(each.batch.span.links) <= 128
    assert max(len(each.batch.span.links) for each in batches) == 128
    assert max(each.parts["work"].attributes["kafka_processor.pieces"] for each in batches) > 1
    assert list(receiver.bodies) == [TRACES]


def test_a_batch_that_is_given_up_is_an_error_with_its_cause(job: Job, receiver: Receiver) -> None:
    """As one with a record that the broker refuses for its size: a limit that is not known yet."""
    daemon = start(job, receiver)
    job.configure_topic(job.topics["processed"], max_message_bytes="8000")
    for number in range(20):
        job.send(too_large_event(number) if number == 7 else event(0, number))
    job.flush()
    wait_until(lambda: job.committed_total() == 20, lambda: f"all done:\n{daemon.log}")
    daemon.stop()
    batches = batches_of(receiver)
    failed = [each for each in batches if each.batch.is_error]
    assert failed
    for each in failed:
        assert each.batch.attributes["error.type"] == "MSG_SIZE_TOO_LARGE"
        assert job.topics["processed"] in each.batch.span.status.message
        assert [part for part in each.parts.values() if part.is_error]
    done = [each for each in batches if not each.batch.is_error]
    assert offsets_of(done) == Counter((0, offset) for offset in range(20))
    [aborts] = last_metrics(receiver)[f"{PREFIX}aborts_total"].items()
    assert aborts == (("MSG_SIZE_TOO_LARGE",), len(failed))


def test_each_worker_sends_as_itself(make_job: MakeJob, receiver: Receiver) -> None:
    job = make_job(2)
    settings = job.settings(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    daemon = job.launch(settings, ("-m", "kafka_processor", "--workers", "2"))
    job.wait_for_shares(2)
    send_load(job, 200)
    job.wait_for_lines(200)
    daemon.stop()
    spans = [each for each in spans_of(receiver) if not each.span.parent_span_id]
    names = {each.resource["service.instance.id"] for each in spans}
    assert len(names) == 2
    assert sum(each.attributes["messaging.batch.message_count"] for each in spans) == 200


def test_settings_from_a_file_count(job: Job, receiver: Receiver) -> None:
    daemon_folder = job.site.folder / secrets.token_hex(4)
    daemon_folder.mkdir()
    lines = [f"OTEL_EXPORTER_OTLP_ENDPOINT={receiver.url}", "OTEL_TRACES_SAMPLER=always_off"]
    (daemon_folder / ".env").write_text("\n".join(lines))
    daemon = job.launch(working_folder=daemon_folder).wait_for_start()
    send_load(job, 10)
    job.wait_for_lines(10)
    daemon.stop()
    assert TRACES not in receiver.bodies
    assert sum(last_metrics(receiver)[f"{PREFIX}messages_total"].values()) == 10


def test_a_protocol_that_is_not_spoken_is_one_line(job: Job) -> None:
    daemon = job.launch(
        job.settings(
            OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4317",
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            KAFKA_BOOTSTRAP_SERVERS=NO_BROKER,
        )
    )
    assert daemon.wait() == 2
    [line] = daemon.log_lines
    assert line.startswith(
        "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not supported; use http/protobuf"
    )
