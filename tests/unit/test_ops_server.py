"""What the daemon answers on OPS_PORT, over a real connection."""

import socket
from collections.abc import Iterator

import pytest

from kafka_processor.config import Settings, load_settings
from kafka_processor.errors import CannotListenError
from kafka_processor.heartbeat import TOO_OLD, Heartbeat
from kafka_processor.ops.client_statistics import read_statistics
from kafka_processor.ops.collector import FiguresCollector
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health
from kafka_processor.ops.server import serve
from tests.support.scraping import Labels, get, metrics


class Beats(Heartbeat):
    """A heartbeat that is as old as it is said to be, and touches no file."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @property
    def age(self) -> float:
        return self.seconds


class Served:
    def __init__(self) -> None:
        self.settings: Settings = load_settings({})
        self.figures = Figures()
        self.beats = Beats()
        self.health = Health(self.beats, self.figures)
        self.port = 0

    def get(self, path: str) -> tuple[int, str]:
        return get(self.port, path)

    def metrics(self) -> dict[str, dict[Labels, float]]:
        return metrics(self.port)


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    collector = FiguresCollector(served.settings, "0123abcd", served.figures, served.health)
    with serve("127.0.0.1", 0, collector, served.health) as port:
        served.port = port
        yield served


def test_it_is_alive_while_the_loop_turns(served: Served) -> None:
    assert served.get("/healthz") == (200, "ok\n")
    served.beats.seconds = TOO_OLD + 1
    assert served.get("/healthz") == (503, "the loop has not turned for 31 s\n")
    assert served.get("/readyz")[0] == 503


def test_it_is_ready_once_the_loop_says_so_and_the_group_is_in_reach(served: Served) -> None:
    assert served.get("/readyz") == (503, "starting\n")
    served.health.set_source(lambda: None)
    assert served.get("/readyz") == (200, "ok\n")
    served.figures.take_statistics('{"type": "consumer", "cgrp": {"state": "wait-coord"}}')
    assert served.get("/readyz") == (503, "no connection to the group's coordinator\n")
    assert served.get("/healthz")[0] == 200, "a broker that is away is waited for"
    served.figures.take_statistics('{"type": "consumer", "cgrp": {"state": "up"}}')
    assert served.get("/readyz")[0] == 200


def test_it_is_not_ready_while_a_partition_stands_still(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.health.set_source(lambda: None)
    monkeypatch.setattr(served.figures, "stalled", lambda _now: [3])
    reason = "partitions [3] have messages waiting, and have not moved for 60 s\n"
    assert served.get("/readyz") == (503, reason)
    assert served.get("/healthz")[0] == 200
    found = served.metrics()
    assert found["kafka_processor_stalled_partitions"] == {(): 1}
    assert found["kafka_processor_ready"] == {(): 0}


def test_what_else_there_is(served: Served) -> None:
    assert served.get("/")[0] == 404


def test_all_outcomes_are_there_from_the_start(served: Served) -> None:
    """Else the first error of a kind would not show as an increase."""
    found = served.metrics()
    assert set(found["kafka_processor_messages_total"]) == {
        ("", "processed"),
        ("", "filtered"),
        ("", "skipped"),
        *((kind, "error") for kind in (
            "parse_error", "missing_field", "invalid_field", "transform_error", "publish_error",
        )),
    }  # fmt: skip
    assert set(found["kafka_processor_messages_total"].values()) == {0}
    assert found["kafka_processor_ready"] == {(): 0}
    assert found["process_resident_memory_bytes"][()] > 0


def test_each_family_is_there_once_with_two_clients(served: Served) -> None:
    for kind in ("consumer", "producer"):
        served.figures.take_statistics(
            f'{{"type": "{kind}", "msg_cnt": 5, "brokers": {{'
            '"a:1/bootstrap": {"nodeid": -1, "state": "UP"},'
            '"a:1/1": {"nodeid": 1, "state": "UP", "rtt": {"avg": 1500, "p99": 9000}, "txerrs": 2},'
            '"b:1/2": {"nodeid": 2, "state": "DOWN", "disconnects": 3}}}'
        )
    _, text = served.get("/metrics")
    kinds = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))
    found = served.metrics()
    assert found["kafka_processor_broker_up"][("1", "consumer")] == 1
    assert found["kafka_processor_broker_up"][("2", "producer")] == 0
    assert ("-1", "consumer") not in found["kafka_processor_broker_up"]
    seconds = found["kafka_processor_broker_request_p99_seconds"]
    assert seconds[("1", "producer")] == pytest.approx(0.009)
    assert found["kafka_processor_broker_errors_total"][("1", "consumer")] == 2
    assert found["kafka_processor_client_queued_messages"][("producer",)] == 5


def test_a_port_that_is_taken_is_said_in_one_line(served: Served) -> None:
    with (
        pytest.raises(
            CannotListenError, match=r"OPS_PORT: cannot listen on 127\.0\.0\.1, .*in use"
        ),
        serve("127.0.0.1", served.port, served, served.health),  # type: ignore[arg-type]
    ):
        pass


def test_a_host_that_is_none_is_said_in_one_line(served: Served) -> None:
    with (
        pytest.raises(CannotListenError, match="OPS_PORT: cannot listen on no such host"),
        serve("no such host", 0, served, served.health),  # type: ignore[arg-type]
    ):
        pass


def test_whoever_connects_and_says_nothing_keeps_nobody_waiting(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=5):
        assert served.get("/healthz")[0] == 200


def test_statistics_of_a_client_that_has_just_begun() -> None:
    assert read_statistics('{"type": "consumer", "unlisted": {}}').partitions() == {}
