"""Wrong settings, keys and the texts of the command line; most of it needs no broker."""

import base64
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from kafka_processor import __version__
from tests.support.job import KEY
from tests.support.program import Daemon, copy_program

SECRET = "do-not-show-this"  # of every secret setting
SETTINGS = (
    "INPUT_TOPIC PROCESSED_TOPIC ERRORS_TOPIC CLEANED_TOPIC SUMMARY_TOPIC METRICS_TOPIC "
    "CREATE_TOPICS INPUT_PARTITIONS TOPIC_REPLICATION AUTO_OFFSET_RESET MAX_MESSAGE_AGE "
    "ACCEPTED_APP_VERSIONS SUMMARY_PUBLISH_INTERVAL DELIVERY CONSUMER_GROUP SESSION_TIMEOUT "
    "INSTANCE_ID TRANSACTION_TIMEOUT LOG_LEVEL LOG_FORMAT KAFKA_BOOTSTRAP_SERVERS "
    "KAFKA_SECURITY_PROTOCOL KAFKA_SASL_MECHANISM KAFKA_SASL_USERNAME KAFKA_SASL_PASSWORD "
    "KAFKA_SSL_CA_LOCATION KAFKA_SSL_CERTIFICATE_LOCATION KAFKA_SSL_KEY_LOCATION "
    "KAFKA_SSL_KEY_PASSWORD KAFKA_PROPERTIES_FILE DEVICE_ID_KEY DEVICE_ID_KEY_FILE "
    "ALLOW_KEY_CHANGE ALLOW_CORE_DUMPS STARTUP_RETRIES"
)
WRONG = [
    ("INPUT_TOPIC", "no topic!"),
    ("PROCESSED_TOPIC", "t" * 250),
    ("ERRORS_TOPIC", ".."),
    ("CREATE_TOPICS", "some"),
    ("INPUT_PARTITIONS", "0"),
    ("INPUT_PARTITIONS", "many"),
    ("TOPIC_REPLICATION", "-1"),
    ("TOPIC_REPLICATION", "10001"),
    ("AUTO_OFFSET_RESET", "middle"),
    ("MAX_MESSAGE_AGE", "-1"),
    ("MAX_MESSAGE_AGE", "nan"),
    ("MAX_MESSAGE_AGE", "1 minute"),
    ("ACCEPTED_APP_VERSIONS", ",,"),
    ("SUMMARY_PUBLISH_INTERVAL", "0"),
    ("SUMMARY_PUBLISH_INTERVAL", "1.5"),
    ("DELIVERY", "sometimes"),
    ("CONSUMER_GROUP", "größe"),
    ("SESSION_TIMEOUT", "soon"),
    ("SESSION_TIMEOUT", "0"),
    ("TRANSACTION_TIMEOUT", "-10"),
    ("TRANSACTION_TIMEOUT", "inf"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
    ("KAFKA_BOOTSTRAP_SERVERS", "localhost:port"),
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka://localhost:9092"),
    ("KAFKA_SECURITY_PROTOCOL", "TLS"),
    ("KAFKA_SASL_MECHANISM", "GUESS"),
    ("KAFKA_SSL_CA_LOCATION", "no/such/ca.pem"),
    ("KAFKA_SSL_CERTIFICATE_LOCATION", "no/such/certificate.pem"),
    ("KAFKA_SSL_KEY_LOCATION", "no/such/key.pem"),
    ("KAFKA_PROPERTIES_FILE", "no/such/file.properties"),
    ("DEVICE_ID_KEY", SECRET),
    ("DEVICE_ID_KEY", "00" * 31),
    ("DEVICE_ID_KEY", base64.b64encode(b"0" * 31).decode()),
    ("DEVICE_ID_KEY_FILE", "no/such/key"),
    ("ALLOW_KEY_CHANGE", "perhaps"),
    ("STARTUP_RETRIES", "never"),
]
SECRET_SETTINGS = {"DEVICE_ID_KEY", "KAFKA_SASL_PASSWORD", "KAFKA_SSL_KEY_PASSWORD"}
CHOICES = {
    "CREATE_TOPICS": ("outputs", "all", "none"),
    "AUTO_OFFSET_RESET": ("earliest", "latest"),
    "DELIVERY": ("exactly-once", "at-least-once"),
    "LOG_FORMAT": ("console", "json"),
    "KAFKA_SECURITY_PROTOCOL": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "ALLOW_KEY_CHANGE": ("true", "false"),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_program(tmp_path_factory.mktemp("program"))


class Ended:
    """A program that ended by itself."""

    def __init__(self, daemon: Daemon) -> None:
        self.code = daemon.wait()
        self.stdout, self.log, self.lines = daemon.stdout, daemon.log, daemon.log_lines


def run(program: Path, folder: Path, settings: Mapping[str, str], *arguments: str) -> Ended:
    folder.mkdir(exist_ok=True)
    with Daemon(program, folder, settings, ("-m", "kafka_processor", *arguments)) as daemon:
        return Ended(daemon)


@pytest.fixture(scope="module")
def reports(
    program: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Ended]:
    """All wrong settings, in as few runs as a setting has wrong values."""
    rounds: list[dict[str, str]] = []
    for name, value in WRONG:
        free = next((each for each in rounds if name not in each), None)
        if free is None:
            free = {}
            rounds.append(free)
        free[name] = value
    found: dict[tuple[str, str], Ended] = {}
    for settings in rounds:
        ended = run(program, tmp_path_factory.mktemp("wrong"), settings)
        found |= dict.fromkeys(settings.items(), ended)
    return found


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_setting(reports: dict[tuple[str, str], Ended], name: str, value: str) -> None:
    """Each has one line in the one report: its name, its value unless secret, what is allowed."""
    ended = reports[name, value]
    assert ended.code == 2
    assert ended.stdout == ""
    lines = [line for line in ended.lines if re.match(rf"\W*{name}\b", line)]
    assert len(lines) == 1, ended.log
    if name in SECRET_SETTINGS:
        assert value not in ended.log
    else:
        assert value in lines[0]
    for choice in CHOICES.get(name, ()):
        assert choice in lines[0]


CONTRADICTIONS = {
    "two topics with one name": ({"ERRORS_TOPIC": "a", "CLEANED_TOPIC": "a"}, "_TOPIC"),
    "an output with the name of the input": ({"METRICS_TOPIC": "user-login"}, "_TOPIC"),
    "default name taken": ({"INPUT_TOPIC": "summary-output"}, "_TOPIC"),
    "no mechanism": ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_MECHANISM"),
    "no name": (
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_PASSWORD": SECRET,
        },
        "KAFKA_SASL_USERNAME",
    ),
    "two keys": ({"DEVICE_ID_KEY": KEY, "DEVICE_ID_KEY_FILE": "{other}"}, "DEVICE_ID_KEY"),
    "no key": ({}, "DEVICE_ID_KEY"),
    "empty key": ({"DEVICE_ID_KEY": " "}, "DEVICE_ID_KEY"),
    "empty key file": ({"DEVICE_ID_KEY_FILE": "{empty}"}, "DEVICE_ID_KEY_FILE"),
    "key file with bytes": ({"DEVICE_ID_KEY_FILE": "{bytes}"}, "DEVICE_ID_KEY_FILE"),
    "key file is a folder": ({"DEVICE_ID_KEY_FILE": "{folder}"}, "DEVICE_ID_KEY_FILE"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_settings_that_do_not_fit(program: Path, tmp_path: Path, case: str) -> None:
    files = {name: tmp_path / name for name in ("other", "empty", "bytes", "folder")}
    files["other"].write_text("ff" * 32)
    files["empty"].write_text("")
    files["bytes"].write_bytes(b"\xff\xfe" * 20)
    files["folder"].mkdir()
    settings, named = CONTRADICTIONS[case]
    complete = {"STARTUP_RETRIES": "1"}
    if "key" not in case:
        complete["DEVICE_ID_KEY"] = KEY
    complete |= {name: value.format(**files) for name, value in settings.items()}
    ended = run(program, tmp_path / "run", complete)
    assert ended.code == 2, ended.log
    assert any(named in line for line in ended.lines), ended.log
    assert SECRET not in ended.log
    assert KEY not in ended.log
    assert "ff" * 32 not in ended.log


GUARANTEES = {
    "enable.auto.commit": "true",
    "isolation.level": "read_uncommitted",
    "transactional.id": "mine",
    "enable.idempotence": "false",
    "acks": "1",
}


def test_properties_that_the_guarantees_rest_on_are_refused(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in GUARANTEES.items()))
    settings = {"DEVICE_ID_KEY": KEY, "KAFKA_PROPERTIES_FILE": str(file)}
    ended = run(program, tmp_path / "run", settings)
    assert ended.code == 2
    for name in GUARANTEES:
        assert len([line for line in ended.lines if name in line]) == 1, ended.log


@pytest.mark.parametrize("line", ["no.such.property=1", "fetch.wait.max.ms=soon", "nonsense"])
def test_wrong_properties(program: Path, tmp_path: Path, line: str) -> None:
    file = tmp_path / "client.properties"
    file.write_text(line)
    settings = {"DEVICE_ID_KEY": KEY, "KAFKA_PROPERTIES_FILE": str(file)}
    ended = run(program, tmp_path / "run", settings)
    assert ended.code == 2
    assert line.split("=", maxsplit=1)[0] in ended.log


def test_help_lists_every_setting(program: Path, tmp_path: Path) -> None:
    ended = run(program, tmp_path / "run", {}, "--help")
    assert ended.code == 0
    missing = [name for name in SETTINGS.split() if not re.search(rf"\b{name}\b", ended.stdout)]
    assert missing == []
    for default in ("user-login", "localhost:29092", "2.3.0", "exactly-once", "kafka-processor"):
        assert default in ended.stdout


def test_version(program: Path, tmp_path: Path) -> None:
    ended = run(program, tmp_path / "run", {}, "--version")
    assert ended.code == 0
    assert __version__ in ended.stdout


def test_unknown_argument(program: Path, tmp_path: Path) -> None:
    assert run(program, tmp_path / "run", {}, "--no-such-option").code == 2


def test_installed_command_is_the_same_program() -> None:
    command = Path(sys.executable).parent / "kafka-processor"
    answer = subprocess.run(
        [command, "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert __version__ in answer.stdout


def test_wrong_settings_of_a_dotenv_file(program: Path, tmp_path: Path) -> None:
    """The environment is above the working folder's file, and an empty value is none."""
    (tmp_path / ".env").write_text("DELIVERY=never\nLOG_LEVEL=loud\nLOG_FORMAT=xml\n")
    ended = run(program, tmp_path, {"DEVICE_ID_KEY": KEY, "LOG_LEVEL": "info", "LOG_FORMAT": ""})
    assert ended.code == 2
    assert sorted(line.split(":")[0] for line in ended.lines) == ["DELIVERY", "LOG_FORMAT"]


def test_dotenv_of_the_project_folder(tmp_path: Path) -> None:
    program = copy_program(tmp_path / "checkout", with_project_file=True)
    (program / ".env").write_text("DELIVERY=never\nLOG_LEVEL=loud\n")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".env").write_text("LOG_LEVEL=info\n")
    ended = run(program, folder, {"DEVICE_ID_KEY": KEY})
    assert ended.code == 2
    assert [line.split(":")[0] for line in ended.lines] == ["DELIVERY"]


def test_dotenv_that_is_no_text(program: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DELIVERY=\xff\xfe\n")
    ended = run(program, tmp_path, {"DEVICE_ID_KEY": KEY})
    assert ended.code == 2
    assert ".env" in ended.log


def test_main_runs_from_inside_its_folder(tmp_path: Path) -> None:
    program = copy_program(tmp_path / "checkout", with_project_file=True)
    (program / ".env").write_text("DELIVERY=never\n")
    inside = program / "kafka_processor"
    with Daemon(program, tmp_path, {}, ("main.py",), working_folder=inside) as daemon:
        assert daemon.wait() == 2
        assert daemon.log_lines[0].startswith("DELIVERY")
