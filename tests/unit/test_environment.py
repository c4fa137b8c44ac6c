"""Where settings come from: the environment, then `.env`, whole or not at all."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor import config
from kafka_processor.config import load_settings
from kafka_processor.environment import project_key
from kafka_processor.environment import reading as environment
from kafka_processor.environment.dotenv_file import parse_dotenv
from kafka_processor.environment.reading import read_environment
from kafka_processor.errors import SettingsError
from kafka_processor.main import main

needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")


@pytest.fixture
def working(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; the project folder is beside it."""
    for name in ("working", "project"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "working")
    monkeypatch.setattr(environment, "PROJECT_FOLDER", tmp_path / "project")
    monkeypatch.setattr(environment, "IS_SOURCE_CHECKOUT", True)
    return tmp_path / "working"


@pytest.fixture
def project(working: Path) -> Path:
    return working.parent / "project"


def values(given_environment: dict[str, str], env_file: Path | None = None) -> dict[str, str]:
    return dict(read_environment(given_environment, str(env_file) if env_file else None).values)


def errors_of(env_file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        values({}, env_file)
    return refused.value.lines


def test_the_environment_wins_over_the_working_over_the_project_folder(
    working: Path, project: Path
) -> None:
    (working / ".env").write_text("A=working\nB=working\n")
    (project / ".env").write_text("A=project\nB=project\nC=project\n")
    assert values({"A": "environment"}) == {"A": "environment", "B": "working", "C": "project"}
    assert [*read_environment({}).files] == [working / ".env", project / ".env"]


def test_a_file_that_is_named_is_the_only_one(working: Path, project: Path, tmp_path: Path) -> None:
    for folder in (working, project):
        (folder / ".env").write_text("A=1\nB: broken\n")
    named = tmp_path / "named"
    named.write_text("A=named\nB=named\n")
    assert values({"A": "environment"}, named) == {"A": "environment", "B": "named"}
    assert [*read_environment({}, str(named)).files] == [named]


@pytest.mark.parametrize("name", ["none", "folder", "x" * 300, "a\0b", "a\nb"])
def test_a_file_that_is_named_has_to_be_there(working: Path, name: str) -> None:
    (working / "folder").mkdir()
    [line] = errors_of(Path(name))
    assert len(line.splitlines()) == 1


def test_without_files_there_is_the_environment(working: Path) -> None:
    assert working.is_dir()
    assert values({"A": "1"}) == {"A": "1"}


def test_a_folder_of_that_name_is_no_file(working: Path) -> None:
    """It is what `python -m venv .env` makes."""
    (working / ".env").mkdir()
    assert values({"A": "1"}) == {"A": "1"}


def test_a_working_folder_that_is_gone_has_no_file(working: Path, project: Path) -> None:
    (project / ".env").write_text("A=project\n")
    working.rmdir()
    assert values({}) == {"A": "project"}


def test_elsewhere_than_in_a_checkout_the_project_folder_does_not_count(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text("A=project\n")
    monkeypatch.setattr(environment, "IS_SOURCE_CHECKOUT", False)
    assert values({}) == {}


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_value_is_unset(working: Path, empty: str) -> None:
    (working / ".env").write_text("CONSUMER_GROUP=from-file\nLOG_LEVEL=\n")
    settings = load_settings(
        values({"CONSUMER_GROUP": empty, "LOG_LEVEL": empty, "DEVICE_ID_KEY": empty})
    )
    assert settings.consumer_group == "from-file"
    assert settings.log_level == load_settings({}).log_level
    assert settings.key is None


@pytest.mark.parametrize("where", ["environment", "file"])
def test_metrics_topic_set_to_nothing_is_off(working: Path, where: str) -> None:
    if where == "file":
        (working / ".env").write_text("METRICS_TOPIC=\n")
        variables = values({})
    else:
        (working / ".env").write_text("METRICS_TOPIC=from-file\n")
        variables = values({"METRICS_TOPIC": ""})
    assert not load_settings(variables).metrics_topic


def test_metrics_topic_that_is_not_set_is_on(working: Path) -> None:
    (working / ".env").write_text("#METRICS_TOPIC=\n")
    assert load_settings(values({})).metrics_topic == "metrics-output"


def test_values_in_a_file_are_taken_as_they_are(working: Path) -> None:
    (working / ".env").write_text(
        "# a comment\nKAFKA_SASL_PASSWORD='a$HOME${B}#c'\nexport LOG_LEVEL=debug # why\nB=x\n"
    )
    settings = load_settings(values({}))
    assert settings.kafka_sasl_password == "a$HOME${B}#c"
    assert settings.log_level == "debug"


def test_a_file_with_windows_line_ends_and_a_byte_order_mark(working: Path) -> None:
    (working / ".env").write_bytes(b"\xef\xbb\xbfCONSUMER_GROUP=a\r\nLOG_LEVEL=debug\r\n")
    settings = load_settings(values({}))
    assert (settings.consumer_group, settings.log_level) == ("a", "debug")


SECRET = "do-not-show"
UNREADABLE = {
    "colon": (f"A=1\nDEVICE_ID_KEY: {SECRET}\n", 2),
    "colon without space": (f"DEVICE_ID_KEY:{SECRET}\n", 1),
    "set": (f"\n\nset DEVICE_ID_KEY={SECRET}\n", 3),
    "open quote": (f'A=1\n# why\nDEVICE_ID_KEY="{SECRET}\n', 3),
    "open single quote": (f"DEVICE_ID_KEY='{SECRET}\nA=1\n", 1),
    "text behind a quote": (f'A=1\r\n\r\nDEVICE_ID_KEY="{SECRET}" {SECRET}\r\n', 3),
    "a quote that the next one closes": (f'A="1\nDEVICE_ID_KEY="{SECRET}"\n', 1),
    "a quote that is closed behind another setting": (
        f"B=1\nA='1\nexport DEVICE_ID_KEY = {SECRET}\nC='\n", 2),
    "no value": ("A=1\nDEVICE_ID_KEY\n", 2),
    "export of nothing": ("export DEVICE_ID_KEY\n", 1),
    "quoted name": (f'"DEVICE_ID_KEY"={SECRET}\n', 1),
    "name with another character": (f"DEVICE_ID_KEY\u200b={SECRET}\n", 1),
    "byte-order mark further down": (f"A=1\n\ufeffDEVICE_ID_KEY={SECRET}\n", 2),
    "two byte-order marks": (f"\ufeff\ufeffDEVICE_ID_KEY={SECRET}\n", 1),
    "null character": (f"A=1\nB=2\nDEVICE_ID_KEY={SECRET}\0\n", 3),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_line_that_cannot_be_read_is_named_and_not_shown(working: Path, case: str) -> None:
    text, number = UNREADABLE[case]
    (working / ".env").write_bytes(text.encode())
    line = errors_of()[0]
    assert line.startswith(f"{working / '.env'}, line {number}: ")
    assert SECRET not in line


def test_all_lines_that_cannot_be_read_are_named(working: Path) -> None:
    (working / ".env").write_bytes(b"A: 1\r\nB=2\r\nC: 3\r\nD\r\n")
    found = [re.search("line ([0-9]+)", line) for line in errors_of()]
    assert [match[1] for match in found if match] == ["1", "3", "4"]


def test_a_value_of_others_may_have_several_lines(working: Path) -> None:
    (working / ".env").write_text('PEM="-----\nab==\n-----"\nLOG_LEVEL=debug\n')
    assert values({}) == {"PEM": "-----\nab==\n-----", "LOG_LEVEL": "debug"}


@pytest.mark.parametrize("content", [b"A=1\nB=\xff\n", "A=ü\n".encode("utf-16")])
def test_a_file_that_is_no_text_is_one_line(working: Path, content: bytes) -> None:
    (working / ".env").write_bytes(content)
    [line] = errors_of()
    assert line.startswith(f"{working / '.env'}, line ")


PIECES = ["A", "B", "export ", "=", ":", '"', "'", "\\", "\n", "\r\n", "\r", " ", "#", "x"]


@given(st.lists(st.sampled_from([*PIECES, "\u2028", "\ufeff", "\0", "é"]), max_size=30))
def test_every_name_in_front_of_an_equals_sign_is_read_or_something_is_wrong(
    pieces: list[str],
) -> None:
    text = "".join(pieces)
    variables, problems = parse_dotenv(text.encode(), ["A", "B"])
    numbers = [int(re.match("line ([0-9]+): ", problem)[1]) for problem in problems]  # type: ignore[index]
    lines = re.split("\r\n|\n|\r", text)
    assert all(1 <= number <= len(lines) for number in numbers)
    for line in lines:
        name = re.match(r"\ufeff?\s*(?:export +)?([AB]) *=", line)
        assert problems or not name or name[1] in variables


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_with_the_cure(
    working: Path, project: Path, tmp_path: Path, mode: int
) -> None:
    for file, named in (
        (working / ".env", None),
        (project / ".env", None),
        (tmp_path / "named", tmp_path / "named"),
    ):
        file.write_text("A=1\n")
        file.chmod(mode)
        [line] = errors_of(named)
        assert line.startswith(f"{file} ")
        assert f"chmod go-w {file}" in line
        file.chmod(0o644)
        assert values({}, named)["A"] == "1"


@needs_root
def test_a_file_that_somebody_else_put_into_the_working_folder_is_not_read(
    working: Path, project: Path, tmp_path: Path
) -> None:
    (working / ".env").write_text("A=theirs\n")
    os.chown(working / ".env", 12345, 12345)
    found = read_environment({})
    assert found.values == {}
    [warning] = found.warnings
    assert str(working / ".env") in warning
    assert "--env-file" in warning
    assert values({}, working / ".env") == {"A": "theirs"}

    # A link of theirs to what is ours.
    (tmp_path / "ours").write_text("A=ours\n")
    (working / ".env").unlink()
    (working / ".env").symlink_to(tmp_path / "ours")
    os.chown(working / ".env", 12345, 12345, follow_symlinks=False)
    assert values({}) == {}

    # A link of ours to what is theirs.
    os.chown(working / ".env", 0, 0, follow_symlinks=False)
    os.chown(tmp_path / "ours", 12345, 12345)
    assert "belongs to another user" in errors_of()[0]

    # A checkout that belongs to somebody else, as in a container, is meant.
    (working / ".env").unlink()
    (project / ".env").write_text("A=project\n")
    os.chown(project / ".env", 12345, 12345)
    assert values({}) == {"A": "project"}


def test_all_that_is_wrong_is_said_at_once_the_missing_key_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], working: Path
) -> None:
    assert working.is_dir()
    monkeypatch.setattr(project_key, "IS_SOURCE_CHECKOUT", False)
    for name, _ in config.rules():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPS_PORT", "abc")
    monkeypatch.setenv("DELIVERY", "never")
    monkeypatch.setenv("OPENLINEAGE_CONFIG", "no/such/file")
    assert main(["--check"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "DELIVERY",
        "OPS_PORT",
        "OPENLINEAGE_CONFIG",
        "DEVICE_ID_KEY",
    ]


def test_with_wrong_settings_names_that_are_nearly_settings_are_said_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], working: Path
) -> None:
    (working / ".env").write_text("LOG_LEVEL=loud\nKAFKA_BOOTSTRAP_SERVER=localhost\n")
    for name, _ in config.rules():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEVICE_ID_KEY", "0123456789abcdef" * 4)
    assert main(["--check"]) == 2
    wrong, misspelled = capsys.readouterr().err.splitlines()
    assert wrong.startswith("LOG_LEVEL: 'loud'")
    assert misspelled.startswith("KAFKA_BOOTSTRAP_SERVER: ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_is_read_only_where_it_is_named(working: Path) -> None:
    pipe = working / ".env"
    os.mkfifo(pipe)
    [line] = errors_of()
    assert line == f"{pipe} is not a regular file"
    with ThreadPoolExecutor(1) as writing:
        writing.submit(pipe.write_text, "A=1\n")
        assert values({}, pipe) == {"A": "1"}
