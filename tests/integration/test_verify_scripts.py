"""The tailing scripts as a user runs them: processes of their own, reading from a real Kafka."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.brokers import free_port
from tests.support.program import PROJECT_FOLDER, copy_program
from tests.support.tails import SETTINGS, Kafka, Tail, environment, run_in_terminal, script_path
from tests.support.waiting import TIMEOUT, wait_until

Start = Callable[..., Tail]
USER = "424cdd21-063a-43a7-b91b-7ca1a833afae"
WRITTEN = "2024-07-10T02:00:26.120Z"


def processed(offset: int, **changes: str) -> dict[str, Any]:
    return {
        "message_id": f"user-login-0-{offset}",
        "user_id": USER,
        "app_version": "2.3.0",
        "device_type": "android",
        "ip": "199.172.111.0",
        "locale": "RU",
        "device_id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "key_id": "deadbeef",
        "timestamp": "2023-09-12T00:45:51Z",
        "not_known_to_us": True,
        **changes,
    }


def failed(offset: int) -> dict[str, Any]:
    return {
        "message_id": f"user-login-0-{offset}",
        "user_id": None,
        "error_type": "missing_field",
        "error_message": "missing: user_id, device_type",
        "message_content": {"user_id": None, "ip": "199.172.111.0", "key_id": "deadbeef"},
        "source": {"topic": "user-login", "partition": 0, "offset": offset, "timestamp": WRITTEN},
        "timestamp": WRITTEN,
    }


def cleaned(offset: int) -> dict[str, Any]:
    return {
        "message_id": f"user-login-0-{offset}",
        "user_id": USER,
        "clean_type": "filtered_app_version",
        "message_content": {"user_id": USER, "app_version": "1.9.7"},
        "timestamp": WRITTEN,
        "replay_of": "user-login-0-3",
    }


def summary(partition: int, count: int) -> dict[str, Any]:
    return {
        "consumer_group": "kafka-processor",
        "source_topic": "user-login",
        "source_partition": partition,
        "next_offset": count,
        "counted_since_offset": 0,
        "total_received_count": count,
        "processed_count": count - 1,
        "filtered_count": 0,
        "skipped_count": 0,
        "error_count": 1,
        "replayed_count": 0,
        "error_type_counts": {"parse_error": 1},
        "device_type_counts": {"android": count - 2, "iOS": 1},
        "locale_counts": {f"r{chr(97 + n // 1000)}-{n % 1000:03}": 1 for n in range(count - 1)},
        "timestamp": WRITTEN,
    }


def metrics(offset: int) -> dict[str, Any]:
    def line(number: int, outcome: str, topic: str | None, latency: float | None) -> dict[str, Any]:
        return {
            "message_id": f"user-login-0-{offset + number}",
            "outcome": outcome,
            "topic": topic,
            "processing_time": 0.0000123,
            "latency": latency,
            "timestamp": WRITTEN,
        }

    return {
        "message_details": [
            line(0, "processed", "processed-output", 0.035),
            line(1, "skipped", None, 90),
            line(2, "parse_error", "processed-errors", None),
        ]
    }


@pytest.fixture(scope="module")
def kafka(broker: str) -> Iterator[Kafka]:
    kafka = Kafka(broker)
    yield kafka
    kafka.clean_up()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_program(tmp_path_factory.mktemp("program"))
    shutil.copytree(PROJECT_FOLDER / "verify", folder / "verify")
    return folder


@pytest.fixture
def start(broker: str, program: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a script on a topic: `start("metrics", topic, "--json", ...)`."""
    with ExitStack() as stack:

        def start(
            script: str,
            topic: str,
            *flags: str,
            working_folder: Path | None = None,
            path: str | None = None,
            settings: Mapping[str, str] | None = None,
        ) -> Tail:
            return stack.enter_context(
                Tail(
                    program,
                    Path(tempfile.mkdtemp(dir=tmp_path)),
                    {**environment(broker, script, topic), **(settings or {})},
                    (path or script_path(program, script), *flags),
                    working_folder,
                )
            )

        yield start


def encoded(*records: Mapping[str, Any]) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


VIEWS: Sequence[tuple[str, Sequence[dict[str, Any]], Sequence[str]]] = [
    (
        "processed_output",
        [processed(7), processed(8)],
        [
            rf"user-login-0-{offset} +{USER} +2\.3\.0 +android +RU +199\.172\.111\.0 +9f86d081… "
            r"+2023-09-12T00:45:51Z"
            for offset in (7, 8)
        ],
    ),
    (
        "processed_errors",
        [failed(7), failed(8)],
        [
            rf"user-login-0-{offset} +- +missing_field +missing: user_id, device_type +"
            "has ip; without a value: user_id$"
            for offset in (7, 8)
        ],
    ),
    (
        "cleaned_data",
        [cleaned(7), cleaned(8)],
        [
            rf"user-login-0-{offset} \(replay of user-login-0-3\) +{USER} +1\.9\.7 +"
            "filtered_app_version"
            for offset in (7, 8)
        ],
    ),
    (
        "summary_data",
        [summary(0, 10), summary(1, 5), summary(0, 1200)],
        [
            "user-login-0  next offset 10, ",
            "total +10  android",
            "1 partition seen: 10 = 9 processed",
            "user-login-1  next offset 5, ",
            "2 partitions seen: 15 = 13 processed",
            "user-login-0  next offset 1,200, ",
            "processed +1,199 +iOS +▏ +1 ",
            "error +1 +1195 others +1,195$",
            "errors: parse_error 1$",
            # The latest record of each key, not all of them.
            r"2 partitions seen: 1,205 = 1,203 processed \+ 0 filtered \+ 0 skipped \+ 2 error",
        ],
    ),
    (
        "metrics",
        [metrics(7), metrics(70)],
        [
            r"messages: 3 \(1 processed, 1 skipped, 1 parse_error\)",
            r"user-login-0-7 +processed +processed-output +12.3 µs +35.0 ms",
            r"user-login-0-8 +skipped +- +12.3 µs +90.0 s",
            r"user-login-0-9 +parse_error +processed-errors +12.3 µs +-",
            r"messages: 3",
            r"user-login-0-70 +processed",
            r"user-login-0-71 +skipped",
            r"user-login-0-72 +parse_error",
        ],
    ),
]


@pytest.mark.parametrize(("script", "records", "lines"), VIEWS, ids=[view[0] for view in VIEWS])
def test_a_script_shows_committed_records_and_stops_after_so_many(
    kafka: Kafka,
    start: Start,
    script: str,
    records: Sequence[dict[str, Any]],
    lines: Sequence[str],
) -> None:
    topic = kafka.filled(*encoded(*records))
    tail = start(script, topic, "--from-beginning", "--max-messages", str(len(records)))
    tail.ends_well(len(records))
    left = iter(tail.stdout.splitlines())
    for pattern in lines:
        assert any(re.search(pattern, line) for line in left), f"{pattern} in\n{tail.stdout}"
    assert "\x1b" not in tail.stdout, "colour in a file"


def test_json_is_the_values_byte_for_byte(kafka: Kafka, start: Start) -> None:
    values = [b'{ "a" :1, "\xc3\xa9":"\\u00e9"}', b"\xff no JSON", b"last"]
    topic = kafka.filled(*values)
    tails = [
        start(name, topic, "--from-beginning", "--json", "--timeout", "1") for name in SETTINGS
    ]
    for tail in tails:
        tail.ends_well(3)
        assert tail.raw_stdout == b"".join(value + b"\n" for value in values)


def test_it_shows_what_is_committed_after_its_start_and_ends_at_a_signal(
    kafka: Kafka, start: Start
) -> None:
    topic = kafka.filled(*encoded(processed(1), processed(2)))
    open_before = kafka.transaction()
    open_before.write(topic, *encoded(processed(3)))
    given_up = kafka.transaction()
    given_up.write(topic, *encoded(processed(4)))

    tails = [start("processed_output", topic), start("processed_output", topic, "--json")]
    for tail in tails:
        tail.wait_for_log("from now on")
    open_before.commit()
    given_up.abort()
    kafka.commit(topic, *encoded(processed(5)))

    for tail, number in zip(tails, (signal.SIGINT, signal.SIGTERM), strict=True):
        tail.wait_for_output("login-0-5")
        tail.stop(number)
        assert re.findall("user-login-0-([0-9])", tail.stdout) == ["3", "5"]
        assert tail.log_lines[-1] == "records shown: 2"


def test_it_goes_on_behind_records_that_it_cannot_read(kafka: Kafka, start: Start) -> None:
    strange = [b"\x1b[2Jgarbage", b'{"message_id":"a\\u001b[2J"}', None, *encoded(processed(4))]
    topic = kafka.filled(*strange)
    tail = start("processed_output", topic, "--from-beginning", "--max-messages", "4")
    as_json = start("cleaned_data", topic, "--from-beginning", "--max-messages", "4", "--json")
    tail.ends_well(4)
    assert f"{topic}-0-0 is not a ProcessedRecord" in tail.stdout
    assert "\\u001b[2Jgarbage" in tail.stdout, "the raw record"
    assert f"{topic}-0-1 is not a ProcessedRecord: Object missing" in tail.stdout
    assert f"{topic}-0-2 has no value" in tail.stdout
    assert "user-login-0-4" in tail.stdout
    as_json.ends_well(4)
    assert as_json.stdout.splitlines()[2] == "null"


def test_it_waits_for_a_topic_and_for_partitions(kafka: Kafka, start: Start) -> None:
    topic = kafka.unused_topic()
    tail = start("metrics", topic, "--json")
    tail.wait_for_log(f"^waiting for topic {topic}: it does not exist")
    assert len(tail.log_lines) == 1

    kafka.create(topic)
    kafka.commit(topic, b"first", b"second")
    tail.wait_for_output("second")

    later = start("metrics", topic, "--json")
    later.wait_for_log("from now on")
    kafka.add_partition(topic, 2)
    kafka.commit(topic, b"other partition", partition=1)
    tail.wait_for_output("other partition")
    later.wait_for_output("other partition")
    later.stop(signal.SIGINT)
    assert later.stdout.splitlines() == ["other partition"]

    kafka.delete(topic)
    wait_until(lambda: len(tail.lines_with("^waiting for topic")) == 2, lambda: tail.log)
    kafka.create(topic)
    kafka.commit(topic, b"new topic")
    tail.wait_for_output("new topic")
    tail.stop(signal.SIGINT)
    assert tail.stdout.splitlines() == ["first", "second", "other partition", "new topic"]


def test_it_ends_after_so_many_quiet_seconds(kafka: Kafka, start: Start) -> None:
    waiting = start("metrics", kafka.unused_topic(), "--timeout", "0.5")
    quiet = start(
        "cleaned_data", kafka.filled(*encoded(cleaned(1), cleaned(2))), "--timeout", "0.5"
    )
    waiting.ends_well(0)
    quiet.ends_well(0)


def test_quiet_seconds_without_a_broker_are_no_success(start: Start) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings = {"KAFKA_BOOTSTRAP_SERVERS": address}
    tail = start("metrics", "any", "--timeout", "0.5", settings=settings)
    assert tail.wait() == 1
    assert tail.log_lines == [f"no broker answers at {address}; check KAFKA_BOOTSTRAP_SERVERS"]


@pytest.mark.parametrize(
    "value", [b"x", b"x" * 100_000], ids=["with all written", "in the midst of writing"]
)
def test_it_ends_quietly_when_its_reader_does(
    kafka: Kafka, broker: str, program: Path, tmp_path: Path, value: bytes
) -> None:
    topic = kafka.filled(value, value, value)
    command = f"{sys.executable} {script_path(program, 'metrics')} --json --from-beginning"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -n 1"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(program),
            **environment(broker, "metrics", topic),
        },
        cwd=tmp_path,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, value + b"\n"), ended.stderr
    assert [line[:8] for line in ended.stderr.splitlines()] == [b"reading "]


def test_a_value_cannot_take_over_the_terminal(
    kafka: Kafka, broker: str, program: Path, tmp_path: Path
) -> None:
    evil = "\x1b[2J\x1b]0;title\x07\x9b2J\u202e\n\x7f"
    topic = kafka.filled(*encoded(processed(1), processed(2, user_id=evil, locale=evil)))
    raw = kafka.filled(evil.encode(), evil.encode())
    settings = {"PYTHONPATH": str(program), **environment(broker, "processed_output", topic)}
    flags = ["--from-beginning", "--max-messages", "2"]

    def shown(columns: int, *more: str, **others: str) -> str:
        arguments = [script_path(program, "processed_output"), *flags, *more]
        return run_in_terminal(arguments, settings | others, tmp_path, columns)

    coloured = shown(80)
    assert "\x1b[32m" in coloured
    without_colour = re.sub(r"\x1b\[[0-9]*m", "", coloured)
    seen = [without_colour, *(shown(80, *f, PROCESSED_TOPIC=raw) for f in ([], ["--json"]))]
    for text in seen:
        assert "\\u001b[2J\\u001b]0;title\\u0007\\u009b2J\\u202e\\u000a\\u007f" in text
        assert re.sub(r"\x1b\[[0-9]*m", "", text).replace("\n", "").isprintable()
    first_record = without_colour.splitlines()[:2]
    assert USER in first_record[0]
    assert "9f86d081…" in first_record[1], "on the second line"
    assert max(map(len, first_record)) <= 80
    wide = shown(200, NO_COLOR="1")
    assert "\x1b" not in wide
    assert re.search(f"{USER}.*9f86d081…", wide), "on one line"


def test_it_runs_from_any_folder(kafka: Kafka, start: Start, program: Path, tmp_path: Path) -> None:
    topic = kafka.filled(*encoded(cleaned(1), cleaned(2)))
    script = "verify_cleaned_data.py"
    for folder, path in (
        (program, f"verify/{script}"),
        (program / "verify", script),
        (tmp_path, str(program / "verify" / script)),
    ):
        flags = ("--from-beginning", "--max-messages", "2")
        start("cleaned_data", topic, *flags, path=path, working_folder=folder).ends_well(2)


def test_without_a_broker_it_says_so_in_one_line(start: Start) -> None:
    address = f"127.0.0.1:{free_port()}"
    tail = start("metrics", "any", settings={"KAFKA_BOOTSTRAP_SERVERS": address})
    assert tail.wait() == 1
    assert tail.stdout == ""
    assert len(tail.log_lines) == 1, tail.log
    assert tail.log.startswith(f"no broker answers at {address} ")


def test_wrong_settings_end_it_with_a_line_each(start: Start) -> None:
    wrong = {"KAFKA_SECURITY_PROTOCOL": "none", "KAFKA_BOOTSTRAP_SERVERS": ":"}
    tails = [start(name, "any", settings=wrong) for name in SETTINGS]
    for tail in tails:
        assert tail.wait() == 2
        starts = [line.partition(":")[0] for line in tail.log_lines]
        assert starts == ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL"]


def test_metrics_that_are_off_cannot_be_read(start: Start) -> None:
    tail = start("metrics", "")
    assert tail.wait() == 2
    assert tail.log_lines == ["METRICS_TOPIC: is empty, so there is no topic to read; set it"]
