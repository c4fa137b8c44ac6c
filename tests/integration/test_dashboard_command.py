"""The command `dashboard`, without a browser: how it starts and ends, and what it leaves alone."""

import socket

import pytest

from kafka_processor.dashboard import command
from tests.support.dashboards import Dashboard, launch, produce_summary
from tests.support.job import Job
from tests.support.load import send_load
from tests.support.program import NO_BROKER
from tests.support.waiting import TIMEOUT

TOKEN = "a-token-of-the-test"


def test_events_are_snapshots_and_nothing_is_left_of_it(job: Job) -> None:
    send_load(job, 100)
    daemon = job.start()
    dashboard = Dashboard(job)
    job.wait_for_lines(100)
    before = job.committed()
    snapshots = dashboard.snapshots()
    next(snapshots)
    dashboard.wait_for(lambda snapshot: bool(snapshot["received"] == 100))
    dashboard.process.stop()
    for _ in snapshots:  # it ends too
        pass
    groups = job.admin.list_consumer_groups().result(TIMEOUT).valid
    assert not [each.group_id for each in groups if "reader" in each.group_id]
    assert job.committed() == before
    assert dashboard.process.log == ""
    daemon.stop()


def test_without_a_broker_it_serves_and_says_so(job: Job) -> None:
    dashboard = Dashboard(job, KAFKA_BOOTSTRAP_SERVERS=NO_BROKER)
    dashboard.wait_for(lambda snapshot: "No broker answers" in snapshot["trouble"])
    dashboard.process.stop()


def test_a_topic_that_was_deleted_is_read_anew(job: Job) -> None:
    for name in ("summary", "errors", "metrics"):
        job.create_topic(job.topics[name], 1)
    dashboard = Dashboard(job)
    produce_summary(job, 5, {"TX": 5})
    dashboard.wait_for(lambda snapshot: bool(snapshot["received"] == 5))
    job.delete_topic(job.topics["summary"])
    dashboard.wait_for(
        lambda snapshot: not snapshot["topics"][0]["is_there"] and snapshot["received"] == 0
    )
    job.create_topic(job.topics["summary"], 2)
    produce_summary(job, 7, {"TX": 7})
    dashboard.wait_for(lambda snapshot: bool(snapshot["received"] == 7))


def test_another_name_that_leads_here_is_refused(job: Job) -> None:
    dashboard = Dashboard(job, KAFKA_BOOTSTRAP_SERVERS=NO_BROKER)
    assert dashboard.get("/")[0] == 200
    for path in ("/", "/events", "/static/app.js"):
        status, body = dashboard.get(path, Host="rebound.example")
        assert status == 403
        assert "on this machine only" in body


def test_a_given_token_is_asked_for_and_never_logged(job: Job) -> None:
    dashboard = Dashboard(
        job, "--host", "0.0.0.0", KAFKA_BOOTSTRAP_SERVERS=NO_BROKER, DASHBOARD_TOKEN=TOKEN
    )
    assert "?token=" not in dashboard.address
    assert dashboard.get("/")[0] == 401
    assert dashboard.get(f"/?token={TOKEN}")[0] == 200
    dashboard.process.stop()
    assert TOKEN not in dashboard.process.log + dashboard.process.stdout


def test_a_port_that_is_taken_ends_the_start_with_one_line(job: Job) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = launch(job, "--port", str(taken.getsockname()[1]))
        assert process.wait() == 1
    [line] = process.log_lines
    assert line.startswith("--port: cannot listen on 127.0.0.1, port ")


@pytest.mark.parametrize(
    ("options", "settings", "problem"),
    [
        (("--port", "x"), {}, "--port: 'x' is not allowed; use an integer from 0 to 65535"),
        ((), {"SUMMARY_TOPIC": "a b"}, "SUMMARY_TOPIC: 'a b' is not allowed"),
        ((), {"DASHBOARD_TOKEN": "short"}, "DASHBOARD_TOKEN: (secret, not shown) is too short"),
        ((), {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_LOCATION": __file__}, "KAFKA_"),
    ],
)
def test_wrong_options_and_settings(
    job: Job, options: tuple[str, ...], settings: dict[str, str], problem: str
) -> None:
    process = launch(job, *(options or ("--port", "0")), **settings)
    assert process.wait() == 2
    [line] = process.log_lines
    assert line.startswith(problem)


def test_it_says_which_packages_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    assert command.main([]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "pip install 'kafka-processor[dashboard]'" in line
