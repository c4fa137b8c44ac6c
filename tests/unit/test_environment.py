"""Where settings come from: the environment, then `.env` of the working or the project folder."""

from pathlib import Path

import pytest

from kafka_processor import config, project_key
from kafka_processor.config import SettingsError, environment_and_dotenv, load_settings
from kafka_processor.main import main


@pytest.fixture
def working(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; the project folder is beside it."""
    for name in ("working", "project"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "working")
    monkeypatch.setattr(config, "PROJECT_FOLDER", tmp_path / "project")
    monkeypatch.setattr(config, "IS_SOURCE_CHECKOUT", True)
    return tmp_path / "working"


@pytest.fixture
def project(working: Path) -> Path:
    return working.parent / "project"


def test_the_environment_wins_over_the_working_over_the_project_folder(
    working: Path, project: Path
) -> None:
    (working / ".env").write_text("A=working\nB=working\n")
    (project / ".env").write_text("A=project\nB=project\nC=project\n")
    assert environment_and_dotenv({"A": "environment"}) == {
        "A": "environment",
        "B": "working",
        "C": "project",
    }


def test_without_files_there_is_the_environment(working: Path) -> None:
    assert working.is_dir()
    assert environment_and_dotenv({"A": "1"}) == {"A": "1"}


def test_elsewhere_than_in_a_checkout_the_project_folder_does_not_count(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text("A=project\n")
    monkeypatch.setattr(config, "IS_SOURCE_CHECKOUT", False)
    assert environment_and_dotenv({}) == {}


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_value_is_unset(working: Path, empty: str) -> None:
    (working / ".env").write_text("CONSUMER_GROUP=from-file\nLOG_LEVEL=\n")
    variables = environment_and_dotenv(
        {"CONSUMER_GROUP": empty, "LOG_LEVEL": empty, "DEVICE_ID_KEY": empty}
    )
    settings = load_settings(variables)
    assert settings.consumer_group == "from-file"
    assert settings.log_level == load_settings({}).log_level
    assert settings.key is None


@pytest.mark.parametrize("where", ["environment", "file"])
def test_metrics_topic_set_to_nothing_is_off(working: Path, where: str) -> None:
    if where == "file":
        (working / ".env").write_text("METRICS_TOPIC=\n")
        variables = environment_and_dotenv({})
    else:
        (working / ".env").write_text("METRICS_TOPIC=from-file\n")
        variables = environment_and_dotenv({"METRICS_TOPIC": ""})
    assert not load_settings(variables).metrics_topic


def test_metrics_topic_that_is_not_set_is_on(working: Path) -> None:
    (working / ".env").write_text("#METRICS_TOPIC=\n")
    assert load_settings(environment_and_dotenv({})).metrics_topic == "metrics-output"


def test_values_in_a_file_are_taken_as_they_are(working: Path) -> None:
    (working / ".env").write_text(
        "# a comment\nKAFKA_SASL_PASSWORD='a$HOME${B}#c'\nexport LOG_LEVEL=debug # why\nB=x\n"
    )
    settings = load_settings(environment_and_dotenv({}))
    assert settings.kafka_sasl_password == "a$HOME${B}#c"
    assert settings.log_level == "debug"


def test_a_file_with_windows_line_ends_and_a_byte_order_mark(working: Path) -> None:
    (working / ".env").write_bytes(b"\xef\xbb\xbfCONSUMER_GROUP=a\r\nLOG_LEVEL=debug\r\n")
    settings = load_settings(environment_and_dotenv({}))
    assert (settings.consumer_group, settings.log_level) == ("a", "debug")


def test_a_file_that_cannot_be_read_is_one_line(working: Path) -> None:
    (working / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(SettingsError) as refused:
        environment_and_dotenv({})
    [line] = refused.value.lines
    assert str(working / ".env") in line


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
