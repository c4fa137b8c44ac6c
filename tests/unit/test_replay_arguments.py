"""The command line of the replay: its options, and one line for each problem."""

import pytest

from kafka_processor.errors import SettingsError
from kafka_processor.outcomes import ERROR_TYPES
from kafka_processor.replay.arguments import Options, create_parser, options_of
from kafka_processor.replay.selection import Selection


def options(*arguments: str) -> Options:
    return options_of(create_parser().parse(arguments), "user-login")


def lines(*arguments: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        options(*arguments)
    assert all("\n" not in line for line in raised.value.lines)
    return raised.value.lines


def test_all_options() -> None:
    given = options(
        *("--outcome", "error", "--outcome", "filtered", "--field", "locale=a=b", "--field", "ip="),
        *("--user", "u", "--since", "1970-01-01T00:00:01Z", "--until", "1970-01-01T00:00:02Z"),
        *("--partition", "0", "--partition", "3", "--from-offset", "5", "--to-offset", "6"),
        *("--message-id", "user-login-0-5", "--include-repeats", "--send", "--rate", "7", "--json"),
    )
    assert given == Options(
        Selection(
            outcomes=ERROR_TYPES | {"filtered"},
            message_ids=frozenset({(0, 5)}),
            partitions=frozenset({0, 3}),
            from_offset=5,
            to_offset=6,
            since=1000,
            until=2000,
            users=frozenset({"u"}),
            fields=(("locale", "a=b"), ("ip", "")),
            include_repeats=True,
        ),
        send=True,
        rate=7,
        json=True,
    )


def test_by_default_it_is_a_dry_run() -> None:
    assert options("--all") == Options(Selection(), send=False, rate=1000, json=False)


@pytest.mark.parametrize(
    "arguments", [(), ("--send",), ("--rate", "5", "--json"), ("--include-repeats",)]
)
def test_a_selection_is_required(arguments: tuple[str, ...]) -> None:
    [line] = lines(*arguments)
    assert "--all" in line


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--outcome", "processed"), ("--outcome", ""), ("--since", "2024"), ("--until", "now"),
        ("--since", "20240710T020025Z"), ("--until", "2024-07-10 02:00:25Z"),
        ("--partition", "-1"), ("--partition", "x"), ("--from-offset", "1.5"),
        ("--to-offset", "٣"), ("--message-id", "other-0-5"), ("--message-id", "user-login-0"),
        ("--rate", "0"), ("--rate", "fast"), ("--rate", "1e3"), ("--rate", "1000001"),
    ],
)  # fmt: skip
def test_values_that_are_not_allowed(option: str, value: str) -> None:
    [line] = lines("--all", option, value)
    assert line.startswith(f"{option}: {value!r} is not allowed; use ")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--user", ""), ("--user", "u" * 1025), ("--field", "SECRET"), ("--field", "SECRET=1")],
)
def test_values_that_may_be_personal_are_not_shown(option: str, value: str) -> None:
    [line] = lines("--all", option, value)
    assert line.startswith(f"{option}: (value not shown) is not allowed; use ")
    assert "SECRET" not in line and "uuu" not in line


@pytest.mark.parametrize(
    "arguments",
    [("--usr", "SECRET"), ("--usr=SECRET",), ("SECRET",), ("--all", "SECRET", "SECRET")],
)
def test_unknown_options(arguments: tuple[str, ...]) -> None:
    [line] = lines(*arguments)
    assert "SECRET" not in line


def test_option_without_its_value() -> None:
    assert len(lines("--user")) == 1


def test_empty_ranges() -> None:
    time = "2024-07-10T02:00:25Z"
    problems = lines("--from-offset", "5", "--to-offset", "5", "--since", time, "--until", time)
    assert [line.split(":")[0] for line in problems] == ["--to-offset", "--until"]
    assert len(lines("--to-offset", "0")) == 1


def test_all_problems_are_reported_at_once() -> None:
    problems = lines("--outcome", "a", "--outcome", "b", "--since", "c", "--rate", "d")
    assert len(problems) == 4


@pytest.mark.parametrize("columns", ["80", "120"])
def test_help_fits_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as ended:
        create_parser().parse(["--all", "--help"])
    assert ended.value.code == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= int(columns)
