"""The table of commands, and how every command ends: its exit code and its lines on stderr."""

import inspect
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_processor import errors
from kafka_processor.commands import COMMANDS, DAEMON, Command
from kafka_processor.errors import (
    CommandError,
    KeyChangedError,
    ProducerRefusedError,
    SettingsError,
)
from kafka_processor.main import main
from kafka_processor.terminal.endings import run_command

WRONG_SETTINGS = {SettingsError, KeyChangedError}
ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, CommandError) and kind is not CommandError
]


def error_of(kind: type[CommandError]) -> CommandError:
    if issubclass(kind, SettingsError):
        return kind(["what is wrong"])
    if issubclass(kind, ProducerRefusedError):
        return kind("what is wrong", KafkaError(KafkaError._FAIL))
    return kind("what is wrong")


def failing(error: Exception) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize("kind", ERRORS)
def test_each_error_has_its_exit_code_and_line(
    kind: type[CommandError], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(failing(error_of(kind))) == (2 if kind in WRONG_SETTINGS else 1)
    assert capsys.readouterr().err == "what is wrong\n"


def test_lines_go_to_the_log_but_for_wrong_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """The settings of the log may be among them."""
    logged: list[str] = []
    assert run_command(failing(KeyChangedError("another key")), logged.append) == 2
    assert run_command(failing(SettingsError(["LOG_LEVEL: one", "two"])), logged.append) == 2
    assert logged == ["another key"]
    assert capsys.readouterr().err == "LOG_LEVEL: one\ntwo\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "start"),
    [
        (KafkaError._INVALID_ARG, 2, "KAFKA_PROPERTIES_FILE or KAFKA_SSL_*: "),
        (KafkaError._FATAL, 1, "cannot continue: _FATAL: "),
    ],
)
def test_errors_of_the_client(
    code: int, exit_code: int, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(failing(KafkaException(KafkaError(code)))) == exit_code
    assert capsys.readouterr().err.startswith(start)


def test_other_exceptions_are_defects_and_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(failing(ZeroDivisionError()))


@pytest.mark.parametrize("command", [DAEMON, *COMMANDS], ids=lambda command: command.name)
def test_each_command_has_a_parser_with_help(command: Command) -> None:
    parser = command.load().create_parser()
    assert parser.prog == f"kafka-processor {command.name}".rstrip()
    assert "--env-file" in parser.format_help()
    assert "Exit codes: " in parser.format_help()


@pytest.mark.parametrize("columns", ["60", "80", "120"])
@pytest.mark.parametrize("command", [DAEMON, *COMMANDS], ids=lambda command: command.name)
def test_help_fits_the_terminal(
    command: Command, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = command.load().create_parser().format_help().splitlines()
    widest = max((line for line in lines if not line.startswith("usage: ")), key=len)
    assert len(widest) <= max(int(columns), 80), widest


def test_an_unknown_command_is_one_line_with_those_that_exist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["frobnicate", "--all"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("frobnicate: no such command; ")
    assert all(command.name in line for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--workers", "0"], "--workers: '0' is not allowed; use an integer from 1 to 256"),
        (["--wrokers=2"], "--wrokers: no such option; see --help"),
        (["--check", "SECRET"], "unexpected argument (not shown); see --help"),
        (["tail"], "KIND: not given; use one of processed, errors, cleaned, summary, metrics"),
        (["tail", "all"], "KIND: 'all' is not allowed; use one of processed, errors, cleaned, "
                          "summary, metrics"),
        (["tail", "errors", "--max-messages", "0"],
         "--max-messages: '0' is not allowed; use an integer, 1 or more"),
        (["tail", "errors", "--timeout", "nan"],
         "--timeout: 'nan' is not allowed; use a number of seconds above 0"),
        (["audit", "--folder", "/no/such"],
         "--folder: '/no/such' is not allowed; use a folder that exists"),
        (["audit", "--to-offset", "9" * 20],
         f"--to-offset: '{'9' * 20}' is not allowed; use an integer, 0 or more"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_line(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == problem
