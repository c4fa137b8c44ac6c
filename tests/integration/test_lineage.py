"""A real daemon and the lineage that it tells of itself."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from kafka_processor.records import FIELDS
from tests.support.cases import login
from tests.support.job import OUTPUTS, Job, MakeJob
from tests.support.lineage import Json, check_form, events_of, not_in_schema, outputs_of
from tests.support.load import send_load
from tests.support.program import NO_BROKER
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import wait_until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def states(events: list[Json]) -> list[str]:
    return [event["eventType"] for event in events]


def runs_of(receiver: Receiver) -> dict[str, list[Json]]:
    """Events by run."""
    runs: dict[str, list[Json]] = {}
    for event in events_of(receiver):
        runs.setdefault(event["run"]["runId"], []).append(event)
    return runs


def error_message(event: Json) -> str:
    message: str = event["run"]["facets"]["errorMessage"]["message"]
    return message


def test_a_run_says_where_the_records_in_the_topics_come_from(job: Job, receiver: Receiver) -> None:
    people = [login() for _ in range(40)]
    for number, fields in enumerate(people):
        if number % 5 == 0:
            fields["app_version"] = "1.0.0"
        if number % 7 == 0:
            fields["timestamp"] = [1]
        headers = [("replay-of", f"{job.input}-0-{number}".encode())] if number > 30 else None
        job.send(json.dumps(fields).encode(), headers=headers)
    job.send(b"no JSON")
    job.flush()
    daemon = job.start(OPENLINEAGE_URL=receiver.url, OPENLINEAGE_NAMESPACE="logins")
    job.wait_for_lines(41)
    wait_until(lambda: "RUNNING" in states(events_of(receiver)), "the second event")
    daemon.stop()
    results = job.results()
    events = events_of(receiver)

    assert states(events) == ["START", "RUNNING", "COMPLETE"]
    assert len(runs_of(receiver)) == 1
    for event in events:
        check_form(event)
        assert (event["job"]["namespace"], event["job"]["name"]) == ("logins", job.group)
        [dataset] = event["inputs"]
        first_broker = job.site.broker.split(",", maxsplit=1)[0]
        assert (dataset["namespace"], dataset["name"]) == (f"kafka://{first_broker}", job.input)
        assert set(outputs_of(event)) == set(job.topics.values())
        assert {output["namespace"] for output in event["outputs"]} == {dataset["namespace"]}
    outputs = outputs_of(events[-1])
    for name in OUTPUTS:
        output = outputs[job.topics[name]]
        records = getattr(results, name)
        assert records
        for record in records:
            faults = list(not_in_schema(record.value, output["facets"]["schema"]["fields"]))
            assert faults == [], (name, faults)
        if name in ("processed", "errors", "cleaned"):
            assert output["outputFacets"]["outputStatistics"]["rowCount"] == len(records)

    check_claims(people, results.processed[0].value, outputs[job.topics["processed"]])
    assert [field["name"] for field in events[0]["inputs"][0]["facets"]["schema"]["fields"]] == [
        *FIELDS
    ]
    for fields in people:
        for each in ("ip", "device_id", "user_id"):
            assert fields[each].encode() not in receiver.everything


def check_claims(people: list[Json], record: Json, output: Json) -> None:
    """What is said of the columns is so for a record."""
    sent = people[int(record["message_id"].rsplit("-", 1)[1])]
    columns = output["facets"]["columnLineage"]["fields"]
    kinds: Counter[str] = Counter()
    for name, column in columns.items():
        [origin] = column["inputFields"]
        [transformation] = origin["transformations"]
        is_same = record[name] == sent[origin["field"]]
        assert is_same is (transformation["subtype"] == "IDENTITY"), name
        assert transformation["masking"] is (name in ("ip", "device_id"))
        kinds[transformation["subtype"]] += 1
    assert kinds == {"IDENTITY": 4, "TRANSFORMATION": 3}


def test_a_process_that_another_one_replaces_has_failed(job: Job, receiver: Receiver) -> None:
    first = job.start(INSTANCE_ID="one", OPENLINEAGE_URL=receiver.url)
    second = job.start(INSTANCE_ID="one", OPENLINEAGE_URL=receiver.url)
    assert first.wait() == 1
    second.stop()
    ends = {states(events)[-1]: events for events in runs_of(receiver).values()}
    assert set(ends) == {"FAIL", "COMPLETE"}
    assert states(ends["FAIL"]) == ["START", "RUNNING", "FAIL"]
    assert "INSTANCE_ID=one" in error_message(ends["FAIL"][-1])
    check_form(ends["FAIL"][-1])


def test_a_start_that_fails_is_a_run_that_fails(job: Job, receiver: Receiver) -> None:
    daemon = job.launch(
        job.settings(
            KAFKA_BOOTSTRAP_SERVERS=NO_BROKER, STARTUP_RETRIES="1", OPENLINEAGE_URL=receiver.url
        )
    )
    assert daemon.wait() == 1
    events = events_of(receiver)
    assert states(events) == ["START", "FAIL"]
    assert error_message(events[-1]) in daemon.log_lines[-1]


def test_a_stop_while_it_starts_is_no_failure(make_job: MakeJob, receiver: Receiver) -> None:
    job = make_job(None)
    daemon = job.launch(job.settings(OPENLINEAGE_URL=receiver.url))
    daemon.wait_for_log("waiting for the input topic")
    daemon.stop()
    assert states(events_of(receiver)) == ["START", "COMPLETE"]


def test_each_worker_is_a_run(make_job: MakeJob, receiver: Receiver) -> None:
    job = make_job(2)
    settings = job.settings(OPENLINEAGE_URL=receiver.url)
    daemon = job.launch(settings, ("-m", "kafka_processor", "--workers", "2"))
    job.wait_for_shares(2)
    send_load(job, 100)
    job.wait_for_lines(100)
    daemon.stop()
    runs = runs_of(receiver)
    assert [states(events) for events in runs.values()] == [["START", "RUNNING", "COMPLETE"]] * 2
    rows = sum(
        output["outputFacets"]["outputStatistics"]["rowCount"]
        for events in runs.values()
        for output in events[-1]["outputs"]
        if output["outputFacets"]
    )
    assert rows == 100
