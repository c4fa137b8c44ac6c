"""Wrong settings, keys and the texts of the command line; most of it needs no broker."""

import base64
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from kafka_processor import __version__
from tests.support.job import KEY
from tests.support.program import PROJECT_FOLDER, Daemon, copy_program

SECRET = "do-not-show-this"  # of every secret setting
SETTINGS = (
    "INPUT_TOPIC PROCESSED_TOPIC ERRORS_TOPIC CLEANED_TOPIC SUMMARY_TOPIC METRICS_TOPIC "
    "CREATE_TOPICS INPUT_PARTITIONS TOPIC_REPLICATION AUTO_OFFSET_RESET MAX_MESSAGE_AGE "
    "MAX_MESSAGE_BYTES LOCALE_LABELS DEVICE_TYPE_LABELS "
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
    ("MAX_MESSAGE_BYTES", "0"),
    ("MAX_MESSAGE_BYTES", "104857601"),
    ("LOCALE_LABELS", "RU,Russian"),
    ("DEVICE_TYPE_LABELS", "android,10.0.0.1"),
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


@pytest.mark.parametrize(
    ("content", "number"),
    [(b"A=1\nDEVICE_ID_KEY: KEY\n", 2), (b'DEVICE_ID_KEY="KEY\n', 1),
     (b"A=1\n\xef\xbb\xbfDEVICE_ID_KEY=KEY\n", 2)],
)  # fmt: skip
def test_dotenv_that_is_read_in_part_makes_no_new_key(
    tmp_path: Path, content: bytes, number: int
) -> None:
    program = copy_program(tmp_path / "checkout", with_project_file=True)
    (program / ".env").write_bytes(content.replace(b"KEY\n", f"{KEY}\n".encode()))
    ended = run(program, tmp_path / "run", {"STARTUP_RETRIES": "1"})
    assert ended.code == 2
    [line] = ended.lines
    assert line.startswith(f"{program / '.env'}, line {number}: ")
    assert KEY not in line
    assert not (program / ".device_id.key").exists()


def test_dotenv_that_is_named_by_every_command(program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".env").write_text("nonsense\n")
    (tmp_path / "named").write_text("KAFKA_SECURITY_PROTOCOL=never\n")
    commands = {
        "daemon": ("-m", "kafka_processor"),
        "check": ("-m", "kafka_processor", "--check"),
        "replay": ("-m", "kafka_processor", "replay", "--all"),
        "dashboard": ("-m", "kafka_processor", "dashboard", "--port", "0"),
        "audit": (str(PROJECT_FOLDER / "verify" / "verify_delivery.py"),),
        "tail": (str(PROJECT_FOLDER / "verify" / "verify_metrics.py"),),
    }
    option = ("--env-file", str(tmp_path / "named"))
    started: dict[str, Daemon] = {}
    with ExitStack() as daemons:
        for name, command in commands.items():
            own = tmp_path / name
            own.mkdir()
            settings = {"DEVICE_ID_KEY": KEY}
            daemon = Daemon(program, own, settings, (*command, *option), working_folder=folder)
            started[name] = daemons.enter_context(daemon)
        for name, daemon in started.items():
            assert daemon.wait() == 2, name
            [line] = daemon.log_lines
            assert line.startswith("KAFKA_SECURITY_PROTOCOL: 'never' "), name


def test_what_is_read_and_what_is_not_safe_is_said_once(program: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text(f"DEVICE_ID_KEY={KEY}\nKAFKA_BOOTSTRAP_SERVER=a:1\n")
    named.chmod(0o644)
    login = {
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "u",
        "KAFKA_SASL_PASSWORD": SECRET,
        "STARTUP_RETRIES": "1",
    }
    start = run(program, tmp_path / "start", login, "--env-file", str(named))
    workers = run(program, tmp_path / "workers", login, "--env-file", str(named), "--workers", "2")
    for ended in (start, workers):
        assert ended.code == 1
        assert len([line for line in ended.lines if line.endswith(f"read file={named}")]) == 1
        warnings = [line for line in ended.lines if "warning" in line and "no broker" not in line]
        for text in ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", f"chmod o-r {named}"):
            assert len([line for line in warnings if text in line]) == 1, ended.log
        assert len(warnings) == 3
        assert KEY not in ended.log
        assert SECRET not in ended.log


@pytest.mark.parametrize("name", ["KAFKA_PROPERTIES_FILE", "DEVICE_ID_KEY_FILE"])
def test_file_that_others_may_write(program: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text("" if name == "KAFKA_PROPERTIES_FILE" else KEY)
    file.chmod(0o646)
    ended = run(program, tmp_path / "run", {name: str(file)})
    assert ended.code == 2
    [line] = [line for line in ended.lines if line.startswith(f"{name}: ")]
    assert f"chmod go-w {file}" in line


@pytest.mark.skipif(sys.platform != "linux", reason="a working folder cannot be deleted")
def test_working_folder_that_is_gone(program: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    leave = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, sys.argv[1:])"
    command = ("-c", leave, sys.executable, "-m", "kafka_processor", "--workers", "2")
    settings = {"DEVICE_ID_KEY": KEY, "STARTUP_RETRIES": "1"}
    with Daemon(program, tmp_path, settings, command, working_folder=gone) as daemon:
        assert daemon.wait() == 1
        daemon.wait_for_log("no broker answers")
        assert not gone.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize(
    ("command", "redirected", "code"),
    [
        ("-m kafka_processor --help", "| true", 0),
        ("-m kafka_processor --version", ">&-", 0),
        ("-m kafka_processor replay --help", "| true", 0),
        ("-m kafka_processor dashboard --help", ">/dev/full", 0),
        (f"{PROJECT_FOLDER}/verify/verify_metrics.py --help", "| true", 0),
        (f"{PROJECT_FOLDER}/verify/verify_delivery.py --help", ">/dev/full", 0),
        (f"{PROJECT_FOLDER}/verify/verify_metrics.py", "2>/dev/full", 1),
        (f"{PROJECT_FOLDER}/verify/verify_delivery.py", ">&- 2>&-", 1),
    ],
)
def test_output_that_is_not_taken(
    program: Path, tmp_path: Path, command: str, redirected: str, code: int
) -> None:
    settings = {"DEVICE_ID_KEY": KEY}
    script = f'("$0" {command}; echo "code $?" >&3) 3>&2 {redirected}'
    shell = ("-c", "import os, sys; os.execvp('sh', sys.argv[1:])", "sh", "-c", script)
    with Daemon(program, tmp_path, settings, (*shell, sys.executable)) as daemon:
        daemon.wait()
        assert daemon.log_lines[-1] == f"code {code}", daemon.log
        assert "Error" not in daemon.log
        assert "Exception" not in daemon.log


@pytest.mark.skipif(sys.platform != "linux", reason="said of Linux only")
def test_no_core_dumps(program: Path, tmp_path: Path) -> None:
    """Nor of workers, nor of the replay; unless they are asked for."""
    settings = {"DEVICE_ID_KEY": KEY, "STARTUP_RETRIES": "1000"}
    allow = settings | {"ALLOW_CORE_DUMPS": "true"}
    with ExitStack() as daemons:

        def start(name: str, settings: Mapping[str, str], *arguments: str) -> Daemon:
            folder = tmp_path / name
            folder.mkdir()
            command = ("-m", "kafka_processor", *arguments)
            return daemons.enter_context(Daemon(program, folder, settings, command))

        single, allowed = start("single", settings), start("allowed", allow)
        workers = start("workers", settings, "--workers", "2")
        workers.wait_for_log("starting", times=2)
        for daemon in (single, allowed):
            daemon.wait_for_log("starting")
        ids = [each.pid for each in psutil.Process(workers.process.pid).children(recursive=True)]
        assert len(ids) >= 2
        assert core_limit(allowed.process.pid) == core_limit("self")
        for process_id in (single.process.pid, workers.process.pid):
            assert core_limit(process_id) == ["0", "0"]
        assert [core_limit(process_id) for process_id in ids].count(["0", "0"]) >= 2


def core_limit(process_id: int | str) -> list[str]:
    """Soft and hard."""
    limits = Path(f"/proc/{process_id}/limits").read_text()
    [line] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    return line.removeprefix("Max core file size").split()[:2]


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


@pytest.mark.parametrize("number", ["0", "-1", "x", "257", "1000000", "\u0662"])
def test_a_number_of_workers_that_is_not_allowed_is_one_line(
    program: Path, tmp_path: Path, number: str
) -> None:
    ended = run(program, tmp_path, {"DEVICE_ID_KEY": KEY}, "--workers", number)
    assert ended.code == 2
    assert "use an integer from 1 to 256" in ended.lines[-1]
