"""What becomes of the process when its stdout or stderr does not take what is written."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kafka_processor.config import PROJECT_FOLDER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full and pipes")

TALKATIVE = """
import os, sys
from kafka_processor.terminal.streams import guard_streams, is_delivered
guard_streams()
import structlog
log = structlog.PrintLogger(sys.stderr)
for number in range(200):
    print("line", number, "x" * 100, flush=True)
    log.msg(f"logged {number} " + "x" * 100)
    print("said", file=sys.stderr)
delivered = is_delivered()
with open(os.environ["DONE"], "w") as done:
    done.write(f"{delivered}")
"""


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    done = tmp_path_factory.mktemp("done") / "done"
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT_FOLDER), "DONE": str(done)}


def run(
    environment: dict[str, str], code: str = TALKATIVE, redirected: str = "", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """In a shell with these redirections."""
    command = f'exec "$0" -c "$1" {redirected}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable, code],
        env=environment | variables,
        capture_output=True,
        timeout=30,
        check=False,
    )


def result(environment: dict[str, str]) -> str:
    return Path(environment["DONE"]).read_text()


@contextmanager
def pipe(*, is_open: bool) -> Iterator[int]:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    if not is_open:
        os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)
        if is_open:
            os.close(reading)


def test_all_arrives_where_it_is_read(environment: dict[str, str]) -> None:
    ended = run(environment)
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == 200
    assert ended.stderr.count(b"logged ") == ended.stderr.count(b"said\n") == 200
    assert result(environment) == "True"


@pytest.mark.parametrize(
    ("redirected", "delivered"),
    [
        (">/dev/full", "False"),
        ("2>/dev/full", "True"),
        (">/dev/full 2>&1", "False"),
        (">&-", "True"),
        ("2>&-", "True"),
        (">&- 2>&- <&-", "True"),
        ("1<&0", "False"),
    ],
)
def test_what_cannot_be_written_is_dropped(
    environment: dict[str, str], redirected: str, delivered: str
) -> None:
    ended = run(environment, redirected=redirected)
    assert ended.returncode == 0
    assert b"Error" not in ended.stderr
    assert b"Exception" not in ended.stderr
    assert result(environment) == delivered
    if redirected == ">/dev/full":
        assert ended.stderr.splitlines()[-1] == b"cannot write to stdout (No space left on device)"


@pytest.mark.parametrize("descriptor", ["stdout", "stderr"])
def test_a_pipe_whose_reader_has_gone(environment: dict[str, str], descriptor: str) -> None:
    other = "stderr" if descriptor == "stdout" else "stdout"
    with pipe(is_open=False) as broken:
        ended = subprocess.run(
            [sys.executable, "-c", TALKATIVE],
            env=environment,
            timeout=30,
            check=False,
            **{descriptor: broken, other: subprocess.PIPE},  # type: ignore[call-overload]
        )
    assert ended.returncode == 0
    assert b"Error" not in (ended.stderr or b"")
    assert result(environment) == "True"


def test_a_log_that_nobody_reads_costs_a_second_once(environment: dict[str, str]) -> None:
    began = time.monotonic()
    with pipe(is_open=True) as full:
        os.set_blocking(full, False)
        try:
            while True:
                os.write(full, bytes(4096))
        except BlockingIOError:
            os.set_blocking(full, True)
        subprocess.run(
            [sys.executable, "-c", TALKATIVE],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=full,
            timeout=30,
            check=True,
        )
    assert time.monotonic() - began < 15
    assert result(environment) == "True"


def test_a_reader_that_is_slow_loses_nothing(environment: dict[str, str]) -> None:
    """A pipe takes 64 KiB, and what is written is more."""
    code = TALKATIVE.replace("range(200)", "range(2000)")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout
        assert process.stderr
        time.sleep(0.3)  # not for a condition: this is the slowness
        read = os.read(process.stdout.fileno(), 70_000)
        stdout, stderr = process.communicate(timeout=30)
    assert len((read + stdout).splitlines()) == 2000
    assert process.returncode == 0
    assert stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_name_that_cannot_be_encoded_is_escaped(
    environment: dict[str, str], encoding: str
) -> None:
    code = """
import sys
from kafka_processor.terminal.streams import guard_streams
guard_streams()
for file in (sys.stdout, sys.stderr):
    print("\\u20ac \\udcff", file=file)
"""
    ended = run(environment, code, PYTHONIOENCODING=encoding)
    assert ended.returncode == 0
    assert ended.stdout == ended.stderr
    assert ended.stdout.endswith(b"\\udcff\n")


def test_descriptors_that_were_closed_are_not_those_of_the_next_files(
    environment: dict[str, str],
) -> None:
    """Else what a library prints to stderr would go to a broker."""
    code = """
import os
from kafka_processor.terminal.streams import guard_streams
guard_streams()
with open(os.environ["DONE"], "w") as done:
    done.write(str(done.fileno() > 2))
"""
    assert run(environment, code, ">&- 2>&- <&-").returncode == 0
    assert result(environment) == "True"
