"""What lineage says of fields, held against real records of the pipeline."""

import json
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException
from openlineage.client.event_v2 import RunState
from openlineage.client.serde import Serde

from kafka_processor.clients.kafka_errors import describe
from kafka_processor.config import load_settings
from kafka_processor.errors import KeyChangedError
from kafka_processor.lineage.columns import COLUMNS, FILTERS
from kafka_processor.lineage.datasets import Datasets, namespace_of
from kafka_processor.lineage.run import Moment, RunOfProcess, reason_of
from kafka_processor.records import FIELDS, LoginEvent
from kafka_processor.summary_printer import SummaryPrinter
from tests.support.lineage import check_form, not_in_schema, outputs_of
from tests.unit.pipeline_runs import EVENT, NOW, Run, event, event_without, run
from tests.unit.summary_runs import Counted, work_of

TOPICS = ("processed-output", "processed-errors", "cleaned-data", "summary-output")
EVENTS = [
    event(),
    event(timestamp="1694479551.25"),
    event(app_version="1.0.0"),
    event_without("device_type"),
    event(ip=5, timestamp=1.5),
    event(ip="nowhere"),
    b"no JSON",
]


def outputs() -> dict[str, Any]:
    found = Datasets(load_settings({})).outputs({"processed-output": 7})
    return outputs_of({"outputs": [Serde.to_dict(output) for output in found]})


def fields_of(topic: str) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = outputs()[topic]["facets"]["schema"]["fields"]
    return fields


def origins_of(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Of the fields of its record."""
    assert run.published
    facet = outputs()[run.published.topic]["facets"]["columnLineage"]
    return {name: column["inputFields"] for name, column in facet["fields"].items()}


@pytest.mark.parametrize("value", EVENTS)
@pytest.mark.parametrize("headers", [None, [("replay-of", b"user-login-3-7")]])
def test_each_field_of_a_record_is_in_the_schema(value: bytes, headers: Any) -> None:
    made = run(value, headers=headers, MAX_MESSAGE_AGE="0")
    assert made.published
    assert list(not_in_schema(made.record, fields_of(made.published.topic))) == []
    metrics = {"message_details": [made.line]}
    assert list(not_in_schema(metrics, fields_of("metrics-output"))) == []


def test_each_field_of_a_summary_is_in_the_schema() -> None:
    summary = SummaryPrinter(load_settings({}), "key")
    summary.restore(0, None, None, 0, 0.0)
    counted = [Counted("processed"), Counted("parse_error"), Counted("filtered")]
    summary.add(0, work_of(counted, 0), 0.0)
    [(topic, _, value)] = summary.publish([0], NOW)
    assert list(not_in_schema(json.loads(value), fields_of(topic))) == []


def test_the_schema_test_sees_a_field_that_is_missing_or_of_another_type() -> None:
    fields = fields_of("processed-errors")
    wrong = {"more": 1, "message_id": 5, "source": {"topic": 1, "x": 1}}
    assert list(not_in_schema(wrong, fields)) == [
        "more is not named",
        "message_id: int, not string",
        "source: topic: int, not string",
        "source: x is not named",
    ]


def test_the_input_is_what_the_checks_want() -> None:
    [dataset] = Datasets(load_settings({})).inputs()
    found = Serde.to_dict(dataset)
    assert (found["namespace"], found["name"]) == ("kafka://localhost:29092", "user-login")
    fields = found["facets"]["schema"]["fields"]
    assert [field["name"] for field in fields] == [
        field.name for field in msgspec.structs.fields(LoginEvent)
    ]
    assert list(not_in_schema(EVENT, fields)) == []


def test_columns_are_those_of_the_records_and_of_the_input() -> None:
    for record, columns in COLUMNS.items():
        names = {field.name for field in msgspec.structs.fields(record)}
        assert columns.keys() <= names
        for origins in (*columns.values(), FILTERS.get(record, [])):
            assert {origin.field for origin in origins} <= set(FIELDS)
        # Nothing that is called as in the input is left out, a time of writing excepted.
        assert columns.keys() >= (names & set(FIELDS)) - {"timestamp"}


@pytest.mark.parametrize("value", EVENTS[:5])
def test_what_is_said_of_a_column_is_so(value: bytes) -> None:
    sent = json.loads(value)
    made = run(value)
    for name, origins in origins_of(made).items():
        for origin in origins:
            [transformation] = origin["transformations"]
            before, after = sent.get(origin["field"]), made.record[name]
            if name == "message_content":
                after = after.get(origin["field"])
            kind = (transformation["type"], transformation["subtype"])
            if kind == ("DIRECT", "IDENTITY"):
                assert after == before
            elif kind[0] == "DIRECT":
                assert after is None or after != before
            if transformation["masking"]:
                assert f'"{before}"' not in json.dumps(made.record)


def test_ip_and_device_id_are_masked_wherever_they_go() -> None:
    for columns in COLUMNS.values():
        for origins in columns.values():
            for origin in origins:
                if origin.type == "DIRECT":
                    assert origin.masking is (origin.field in ("ip", "device_id"))


def test_rows_are_told_where_they_are_known() -> None:
    found = outputs()
    statistics = found["processed-output"]["outputFacets"]["outputStatistics"]
    assert statistics["rowCount"] == 7
    assert found["summary-output"]["outputFacets"] == {}


def test_topics_have_the_names_that_are_set() -> None:
    settings = load_settings({"METRICS_TOPIC": "", "ERRORS_TOPIC": "failed"})
    names = [output.name for output in Datasets(settings).outputs({})]
    assert names == ["processed-output", "failed", "cleaned-data", "summary-output"]


@pytest.mark.parametrize(
    ("servers", "namespace"),
    [
        ("localhost:29092", "kafka://localhost:29092"),
        ("a:1,b:2", "kafka://a:1"),
        ("broker", "kafka://broker:9092"),
        ("broker:9093 , b", "kafka://broker:9093"),
        ("[::1]:29092", "kafka://[::1]:29092"),
        ("[2001:db8::1]", "kafka://[2001:db8::1]:9092"),
    ],
)
def test_the_namespace_is_the_first_broker(servers: str, namespace: str) -> None:
    load_settings({"KAFKA_BOOTSTRAP_SERVERS": servers})
    assert namespace_of(servers) == namespace


@pytest.mark.parametrize("state", [RunState.START, RunState.FAIL])
def test_events_have_the_form_that_their_classes_demand(state: RunState) -> None:
    run_of_process = RunOfProcess(load_settings({"CONSUMER_GROUP": "group"}))
    moment = Moment(state, datetime.now(timezone.utc), "why" if state is RunState.FAIL else None)
    made = Serde.to_dict(run_of_process.event(moment, {"cleaned-data": 1}))
    check_form(made)
    assert made["eventTime"].endswith("+00:00")
    assert (made["job"]["namespace"], made["job"]["name"]) == ("default", "group")
    assert ("errorMessage" in made["run"]["facets"]) is (state is RunState.FAIL)
    assert made["run"]["runId"] == Serde.to_dict(run_of_process.event(moment, {}))["run"]["runId"]


def test_the_reason_of_an_end_holds_nothing_that_nobody_has_thought_of() -> None:
    error = KafkaError(KafkaError._FENCED)
    assert reason_of(KafkaException(error)) == describe(error)
    assert reason_of(KeyChangedError("two keys")) == "two keys"
    assert reason_of(ValueError("5ec4e7")) == "ValueError"
