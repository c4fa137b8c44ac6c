"""Lineage on its way to a receiver that answers, refuses, or is away."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import requests
from openlineage.client.event_v2 import RunState

from kafka_processor.config import load_settings
from kafka_processor.endpoints import bounded_http
from kafka_processor.errors import CannotConnectError, SettingsError
from kafka_processor.lineage import delivery as module
from kafka_processor.lineage.delivery import Delivery
from kafka_processor.lineage.integration import Lineage
from kafka_processor.lineage.run import Moment
from kafka_processor.monitoring.losses import Losses
from tests.support import hostile_server as answers
from tests.support.hostile_server import Answer, hostile
from tests.support.lineage import events_of
from tests.support.receiver import Receiver, receiving
from tests.support.told import ToldLog
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The client keeps what it has read in the environment, from where others would have it."""
    monkeypatch.chdir(tmp_path)
    with patch.dict(os.environ):
        for name in [each for each in os.environ if each.startswith("OPENLINEAGE")]:
            del os.environ[name]
        os.environ["HOME"] = str(tmp_path)
        yield


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        yield receiver


def states(receiver: Receiver) -> list[str]:
    return [event["eventType"] for event in events_of(receiver)]


@pytest.mark.parametrize(
    ("error", "last"), [(None, "COMPLETE"), (CannotConnectError("no broker"), "FAIL")]
)
def test_a_run_from_its_start_to_its_end(
    receiver: Receiver, error: Exception | None, last: str
) -> None:
    log = ToldLog()
    lineage = Lineage(load_settings({}), log.bound)
    for _ in range(3):
        lineage.observer.turned()
    lineage.end(error)
    lineage.wait(5)
    assert states(receiver) == ["START", "RUNNING", last]
    facets = events_of(receiver)[-1]["run"]["facets"]
    assert facets.get("errorMessage", {}).get("message") == (str(error) if error else None)
    assert log.lines == []


def test_a_run_that_goes_on_says_so(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.02)
    lineage = Lineage(load_settings({}), ToldLog().bound)
    wait_until(lambda: states(receiver).count("RUNNING") >= 3, "events of a run that goes on")
    lineage.end(None)
    lineage.wait(5)
    wait_until(lambda: states(receiver)[-1] == "COMPLETE", "the last event")


def test_a_receiver_that_is_away_is_not_waited_for_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "http://me:5ec4e7@127.0.0.1:9")
    log = ToldLog()
    lineage = Lineage(load_settings({}), log.bound)
    lineage.end(None)
    began = time.monotonic()
    lineage.wait(0.2)
    assert time.monotonic() - began < 0.5
    assert log.total("events") == 2
    assert "5ec4e7" not in str(log.lines)


def test_a_receiver_that_refuses_is_counted(receiver: Receiver) -> None:
    receiver.status = 422
    log = ToldLog()
    lineage = Lineage(load_settings({}), log.bound)
    lineage.end(None)
    lineage.wait(5)
    told = {(event, values["reason"]) for event, values in log.lines}
    assert told == {("lineage was not delivered", "HTTP status 422")}
    assert log.total("events") == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answers.dripping_body, "ReadTimeout"),
        (answers.redirecting_to("http://127.0.0.1:9"), "HTTP status 307"),
        (answers.endless_failure, "HTTP status 503"),
    ],
)
def test_a_hostile_receiver_is_let_go_and_counted(
    answer: Answer, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests.Session, "get_adapter", requests.Session.get_adapter)
    bounded_http.install()
    log = ToldLog()
    with hostile(answer) as server:
        transport = {"TYPE": "http", "URL": server.url, "TIMEOUT": "0.4"}
        for name, value in transport.items():
            monkeypatch.setenv(f"OPENLINEAGE__TRANSPORT__{name}", value)
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__RETRY", '{"total": 2, "backoff_factor": 0.01}')
        lineage = Lineage(load_settings({}), log.bound)
        lineage.end(None)
        lineage.wait(5)
        wait_until(lambda: not server.open, "the end of all connections")
    assert log.total("events") == 2
    assert {values["reason"] for _, values in log.lines} == {reason}


def test_moments_are_told_without_waiting_and_in_order() -> None:
    told: list[str] = []
    go_on = threading.Event()

    def send(moment: Moment) -> None:
        go_on.wait(5)
        told.append(moment.state.value)
        raise ValueError("5ec4e7")

    log = ToldLog()
    delivery = Delivery(send, Losses("lost", log.bound))
    delivery.start()
    for state in (RunState.START, RunState.RUNNING, RunState.COMPLETE):
        delivery.tell(state)
    assert told == []
    go_on.set()
    delivery.wait(5)
    assert told == ["START", "RUNNING", "COMPLETE"]
    assert log.total("events") == 3
    assert {values["reason"] for _, values in log.lines} == {"ValueError"}


def test_events_can_go_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "events"
    config = {"transport": {"type": "file", "log_file_path": str(file), "append": True}}
    (tmp_path / "openlineage.yml").write_text(json.dumps(config))
    lineage = Lineage(load_settings({}), ToldLog().bound)
    lineage.end(None)
    lineage.wait(5)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["eventType"] for line in lines] == ["START", "COMPLETE"]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ("", r"openlineage.yml: no transport can be read from it"),
        ("{{ no YAML", r"openlineage.yml: no transport can be read from it"),
        ("tags: {run: {a: b}}", r"openlineage.yml: no transport can be read from it"),
        ("transport: {type: no_such}", r"OPENLINEAGE_\*: the client cannot be set up: "),
        ("transport: {type: http}", r"OPENLINEAGE_\*: the client cannot be set up: "),
        (
            "transport: {type: http, url: '//me:5ec4e7@receiver?key=5ec4e7'}",
            r"OPENLINEAGE_\*: the client cannot be set up: ",
        ),
        ("transport: file", r"OPENLINEAGE_\*: the client cannot be set up: "),
        (
            "transport: {type: async_http, url: 'http://receiver'}",
            r"OPENLINEAGE_\*: the transport async_http is not allowed; set http: ",
        ),
        (
            "transport: {type: composite, transports: "
            "[{type: console}, {type: async_http, url: 'http://receiver'}]}",
            r"OPENLINEAGE_\*: the transport async_http is not allowed; set http: ",
        ),
    ],
)
def test_a_configuration_that_the_client_does_not_take_is_one_line(
    tmp_path: Path, config: str, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "openlineage.yml").write_text(config)
    with pytest.raises(SettingsError, match=f"^{line}") as raised:
        Lineage(load_settings({}), ToldLog().bound)
    assert "5ec4e7" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "".join(capfd.readouterr()) == ""


def test_the_folder_of_the_source_is_not_looked_at(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text(
        '[remote "origin"]\n  url = https://me:5ec4e7@forge/project.git\n'
    )
    lineage = Lineage(load_settings({}), ToldLog().bound)
    lineage.end(None)
    lineage.wait(5)
    assert len(events_of(receiver)) == 2
    assert b"5ec4e7" not in receiver.everything
