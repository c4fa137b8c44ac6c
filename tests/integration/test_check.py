"""`--check` and a start decide alike: what never works is said by both, and not tried again."""

import signal
import socket
from pathlib import Path

from tests.support.job import Job
from tests.support.program import CHECK, STARTED, Daemon
from tests.support.waiting import wait_until

WRONG_PROPERTIES = {
    "retries": "0",
    "max.in.flight.requests.per.connection": "10",
    "queuing.strategy": "lifo",
    "delivery.timeout.ms": "120000",
    "fetch.wait.max.ms": "soon",
}


def both(job: Job, **settings: str) -> list[Daemon]:
    """Ends of a check and of a start."""
    given = job.settings(**settings)
    daemons = [job.launch(given, CHECK), job.launch(given)]
    for daemon in daemons:
        daemon.wait()
        assert STARTED not in daemon.stdout
    return daemons


def test_properties_that_only_one_of_the_clients_refuses(job: Job, tmp_path: Path) -> None:
    given = {}
    for number, (name, value) in enumerate(WRONG_PROPERTIES.items()):
        file = tmp_path / f"{number}.properties"
        file.write_text(f"{name}={value}\n")
        given[name] = job.settings(KAFKA_PROPERTIES_FILE=str(file))
    started = {
        name: [job.launch(settings, CHECK), job.launch(settings)]
        for name, settings in given.items()
    }
    for name, daemons in started.items():
        for daemon in daemons:
            assert daemon.wait() == 2, name
            assert STARTED not in daemon.stdout
            assert "KAFKA_PROPERTIES_FILE" in daemon.log_lines[-1]
        check, start = (daemon.log_lines[-1] for daemon in daemons)
        assert check in start
    assert job.existing_topics() == {job.input}


CANNOT_WORK = {
    "processed": {"cleanup.policy": "compact"},
    "errors": {"cleanup.policy": "compact,delete"},
    "cleaned": {"message.timestamp.after.max.ms": "500"},
    "summary": {"cleanup.policy": "compact", "max.message.bytes": "3000"},
    "metrics": {"max.message.bytes": "300"},
}


def test_output_topics_that_cannot_work(job: Job) -> None:
    """All of them are named, each with what is wrong with it."""
    for name, config in CANNOT_WORK.items():
        job.create_topic(job.topics[name], 1, config)
    for daemon in both(job):
        assert daemon.process.returncode == 1
        line = daemon.log_lines[-1]
        for name, config in CANNOT_WORK.items():
            setting, value = list(config.items())[-1]
            assert f"topic {job.topics[name]}: {setting}={value}" in line


def test_summary_that_is_not_compacted_is_warned_of(job: Job) -> None:
    job.create_topic(job.topics["summary"], 1)
    check = job.launch(arguments=CHECK)
    daemon = job.start()
    daemon.stop()
    assert check.wait() == 0
    for said in (check.stdout, daemon.log):
        [line] = [line for line in said.splitlines() if "cleanup.policy" in line]
        assert "warning" in line
        assert f"topic {job.topics['summary']}: cleanup.policy=delete" in line


def test_interrupted_check_has_no_traceback(job: Job) -> None:
    """While it waits for a broker that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        check = job.launch(job.settings(KAFKA_BOOTSTRAP_SERVERS=servers), CHECK)
        wait_until(lambda: "client properties: allowed" in check.stdout, "the first lines")
        check.process.send_signal(signal.SIGINT)
        assert check.wait(5) == 130
    assert check.log == ""
