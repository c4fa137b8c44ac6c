"""Starting, stopping, keys and configuration files, with a broker that is there."""

import base64
import hmac
import json
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.job import KEY, Job, MakeJob, Site
from tests.support.load import assert_each_once, send_load
from tests.support.program import (
    CHECK,
    NO_BROKER,
    PROBLEM,
    STARTED,
    STOP_LIMIT,
    Daemon,
    copy_program,
)
from tests.support.waiting import wait_until

OTHER_KEY = bytes(range(200, 232)).hex()


def key_id(key: str) -> str:
    return hmac.digest(bytes.fromhex(key), b"kafka_processor key id", "sha256").hex()[:8]


def test_signal_while_it_waits_for_the_input(make_job: MakeJob) -> None:
    job = make_job(None)
    daemon = job.launch()
    daemon.wait_for_log(job.input + ".*(missing|wait|not exist)|wait.*" + job.input)
    daemon.stop()
    assert STARTED not in daemon.stdout


@pytest.mark.parametrize("moment", ["starting", PROBLEM], ids=["first try", "pause after it"])
def test_signal_without_a_broker(job: Job, moment: str) -> None:
    settings = job.settings(KAFKA_BOOTSTRAP_SERVERS=NO_BROKER, STARTUP_RETRIES="1000")
    numbers = (signal.SIGTERM, signal.SIGINT)
    daemons = [job.launch(settings) for _ in numbers]
    for daemon in daemons:
        daemon.wait_for_log(moment)
    for daemon, number in zip(daemons, numbers, strict=True):
        daemon.process.send_signal(number)
    for daemon in daemons:
        assert daemon.wait(STOP_LIMIT) == 0
        assert STARTED not in daemon.stdout


@pytest.fixture(scope="module")
def without_broker(site: Site) -> Iterator[Daemon]:
    """Started before the other tests: its tries take a while."""
    folder = Path(tempfile.mkdtemp(dir=site.folder))
    settings = {"DEVICE_ID_KEY": KEY, "STARTUP_RETRIES": "2", "LOG_FORMAT": "json"}
    with Daemon(site.program, folder, settings) as daemon:
        yield daemon


@pytest.mark.usefixtures("without_broker")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_started_and_stopped(job: Job, number: signal.Signals) -> None:
    daemon = job.start()
    assert daemon.stdout == STARTED + "\n"
    daemon.stop(number)
    assert daemon.stdout == STARTED + "\n"


def test_missing_output_that_may_not_be_created(job: Job) -> None:
    for name in ("processed", "cleaned", "summary"):
        job.create_topic(job.topics[name], 1)
    daemon = job.launch(job.settings(CREATE_TOPICS="none"))
    assert daemon.wait() == 1
    assert job.topics["errors"] in daemon.log_lines[-1]
    assert job.topics["metrics"] in daemon.log_lines[-1]
    assert len(job.existing_topics()) == 4


def test_missing_outputs_that_may_not_be_created_are_named_without_waiting_for_the_input(
    make_job: MakeJob,
) -> None:
    job = make_job(None)
    daemon = job.launch(job.settings(CREATE_TOPICS="none"))
    assert daemon.wait() == 1
    assert job.topics["errors"] in daemon.log_lines[-1]


def test_outputs_that_exist_are_used(job: Job) -> None:
    for topic in job.topics.values():
        job.create_topic(topic, 3)
    send_load(job, 20)
    assert_each_once(job, job.run(20, CREATE_TOPICS="none"), {0: 20})


def test_everything_is_created_on_request(make_job: MakeJob) -> None:
    job = make_job(None)
    daemon = job.start(CREATE_TOPICS="all", INPUT_PARTITIONS="3")
    topics = job.admin.list_topics(timeout=30).topics
    for topic in (job.input, *job.topics.values()):
        assert len(topics[topic].partitions) == 3
    job.partitions = 3
    send_load(job, 30)
    job.wait_for_lines(30)
    daemon.stop()


def test_changed_key(job: Job) -> None:
    send_load(job, 10)
    first = job.run(10)
    assert {record.value["key_id"] for record in first.processed} == {key_id(KEY)}
    send_load(job, 10, first=10)

    refused = job.launch(job.settings(DEVICE_ID_KEY=OTHER_KEY))
    assert refused.wait() == 2
    (line,) = refused.lines_with(f"{key_id(KEY)}.*{key_id(OTHER_KEY)}|"
                                 f"{key_id(OTHER_KEY)}.*{key_id(KEY)}")  # fmt: skip
    assert "ALLOW_KEY_CHANGE" in line
    assert KEY not in refused.log
    assert OTHER_KEY not in refused.log
    assert len(job.results().lines) == 10

    results = job.run(20, DEVICE_ID_KEY=OTHER_KEY, ALLOW_KEY_CHANGE="true")
    assert_each_once(job, results, {0: 20})
    by_offset = {int(r.value["message_id"].rsplit("-", 1)[1]): r for r in results.processed}
    assert by_offset[9].value["key_id"] == key_id(KEY)
    assert by_offset[11].value["key_id"] == key_id(OTHER_KEY)

    assert job.launch().wait() == 2


def test_forms_of_the_key(make_job: MakeJob, tmp_path: Path) -> None:
    """Hex or base64, as a setting or in a file, with white space: the same key."""
    file = tmp_path / "key"
    file.write_bytes(b"\r\n " + base64.b64encode(bytes.fromhex(KEY)) + b"\n\n")
    forms = [
        {"DEVICE_ID_KEY": f" {KEY.upper()}\n"},
        {"DEVICE_ID_KEY": base64.b64encode(bytes.fromhex(KEY)).decode()},
        {"DEVICE_ID_KEY": "", "DEVICE_ID_KEY_FILE": str(file)},
    ]
    job = make_job(1)
    for number, form in enumerate(forms, start=1):
        send_load(job, 10, first=10 * number)
        results = job.run(10 * number, **form)
    assert {record.value["key_id"] for record in results.processed} == {key_id(KEY)}


def test_key_of_a_checkout(job: Job, tmp_path: Path) -> None:
    """Made by the first start, even of two at once, and used from then on."""
    program = copy_program(tmp_path / "checkout", with_project_file=True)
    file = program / ".device_id.key"
    settings = job.settings(DEVICE_ID_KEY="")
    daemons = [job.launch(settings, program=program) for _ in range(2)]
    for daemon in daemons:
        daemon.wait_for_start()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = key_id(file.read_text().strip())
    warnings = [line for daemon in daemons for line in daemon.lines_with("warning.*key")]
    assert warnings, daemons[0].log
    for daemon in daemons:
        daemon.stop()
    send_load(job, 10)
    third = job.launch(settings, program=program).wait_for_start()
    job.wait_for_lines(10)
    third.stop()
    assert {record.value["key_id"] for record in job.results().processed} == {made}
    assert third.lines_with("warning.*key") == []
    assert file.read_text().strip() not in third.log


def test_main_from_inside_its_folder_with_dotenv(job: Job, tmp_path: Path) -> None:
    program = copy_program(tmp_path / "checkout", with_project_file=True)
    settings = job.settings()
    broker = {"KAFKA_BOOTSTRAP_SERVERS": settings.pop("KAFKA_BOOTSTRAP_SERVERS")}
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (program / ".env").write_text(lines)
    inside = program / "kafka_processor"
    send_load(job, 10)
    daemon = job.launch(broker, ("main.py",), program, inside).wait_for_start()
    job.wait_for_lines(10)
    daemon.stop()


def test_installed_command(job: Job) -> None:
    code = "import sys; from kafka_processor.main import main; sys.exit(main())"
    daemon = job.launch(job.settings(), ("-c", code)).wait_for_start()
    daemon.stop()
    assert (Path(sys.executable).parent / "kafka-processor").exists()


def test_properties_file(job: Job, tmp_path: Path) -> None:
    """What no setting says holds; what a setting says is decided by the setting."""
    file = tmp_path / "client.properties"
    file.write_text(
        f"# of the platform team\n\nclient.id = shown-{job.group}\n"
        f"bootstrap.servers={NO_BROKER}\ngroup.id=other\n"
        "session.timeout.ms=60000\nauto.offset.reset=latest\n"
    )
    send_load(job, 10)
    daemon = job.start(KAFKA_PROPERTIES_FILE=str(file), AUTO_OFFSET_RESET="earliest")
    job.wait_for_lines(10)
    assert all(member.startswith(f"shown-{job.group}") for member in job.members())
    assert len(job.members()) == 1
    daemon.stop()


def test_log_as_json(job: Job) -> None:
    send_load(job, 10)
    daemon = job.start(LOG_FORMAT="json", LOG_LEVEL="debug")
    job.wait_for_lines(10)
    daemon.stop()
    assert daemon.log_lines
    for line in daemon.log_lines:
        assert isinstance(json.loads(line), dict)


def test_level_of_the_log(job: Job) -> None:
    daemon = job.start(LOG_LEVEL="error")
    daemon.stop()
    assert daemon.log == ""


def test_topic_that_goes_is_waited_for(job: Job) -> None:
    """No outcome is invented while an output topic is gone; all come once it is back."""
    daemon = job.start()
    send_load(job, 10)
    job.wait_for_lines(10)
    job.admin.delete_topics([job.topics["processed"]])[job.topics["processed"]].result(30)
    wait_until(lambda: job.topics["processed"] not in job.existing_topics(), "deletion")
    send_load(job, 10, first=10)
    daemon.wait_for_log(PROBLEM)
    assert daemon.is_running
    assert job.committed_total() == 10
    job.create_topic(job.topics["processed"], 1)
    wait_until(lambda: job.committed_total() == 20, lambda: f"20 done:\n{daemon.log}", 60)
    daemon.stop()
    results = job.results()
    assert len(results.lines) == 20
    assert len(results.processed) == 9
    assert results.errors == []
    assert results.total("total_received_count") == 20


def test_stop_is_quick_under_load(job: Job) -> None:
    send_load(job, 20_000)
    daemon = job.launch()
    wait_until(lambda: job.committed_total() > 0, "first commit")
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < STOP_LIMIT
    assert job.committed_total() == len(job.results().lines)


def test_check_of_good_settings_changes_nothing(job: Job) -> None:
    before = job.existing_topics()
    assert job.launch(arguments=CHECK).wait() == 0
    assert job.existing_topics() == before
    assert job.committed() == {}
    assert job.members() == {}


def in_shell(job: Job, command: str, **settings: str) -> Daemon:
    """Python's arguments, with redirections; the log ends with the exit code."""
    script = f'("$0" -m kafka_processor {command.replace("@", "; echo code $? >&3) 3>&2", 1)}'
    shell = ("-c", "import os, sys; os.execvp('sh', sys.argv[1:])", "sh", "-c", script)
    return job.launch(job.settings(**settings), (*shell, sys.executable))


def test_check_whose_output_is_not_taken(job: Job) -> None:
    """Like other programs: a reader that wants no more is no error, and a full disk is one."""
    cases = {"--check @ | true": 0, "--check @ >/dev/full": 1, "--check @ >&- 2>&-": 0}
    daemons = {command: in_shell(job, command) for command in cases}
    for command, daemon in daemons.items():
        daemon.wait()
        assert daemon.log_lines[-1] == f"code {cases[command]}", command + daemon.log
        assert "Error" not in daemon.log


SABOTAGE = """
import os, sys
def fill():
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    return writing
def broken():
    reading, writing = os.pipe()
    os.close(reading)
    return writing
def full_disk():
    return os.open("/dev/full", os.O_WRONLY)
how = sys.argv[1]
if how == "closed":
    os.closerange(0, 3)
else:
    target = {"fill": fill, "broken": broken, "full_disk": full_disk}[how]()
    for descriptor in (1, 2) if how != "fill" else (2,):
        os.dup2(target, descriptor)
os.execv(sys.executable, [sys.executable, "-m", "kafka_processor"])
"""


def test_output_that_is_not_taken_loses_lines_and_no_messages(make_job: MakeJob) -> None:
    kinds = ("closed", "broken", "full_disk", "fill")
    job = make_job(len(kinds))
    settings = job.settings(LOG_LEVEL="debug")
    daemons = [job.launch(settings, ("-c", SABOTAGE, kind)) for kind in kinds]
    job.wait_for_shares(len(kinds))
    send_load(job, 20 * len(kinds))
    job.wait_for_lines(20 * len(kinds))
    for daemon in daemons:
        daemon.stop()
    assert_each_once(job, job.results(), dict.fromkeys(range(len(kinds)), 20))


def test_check_says_what_it_read_and_what_is_not_safe(job: Job, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text(f"DEVICE_ID_KEY={KEY}\nOPS_PORTS=1\n")
    named.chmod(0o644)
    settings = job.settings()
    del settings["DEVICE_ID_KEY"]
    check = job.launch(settings, (*CHECK, "--env-file", str(named)))
    assert check.wait() == 0
    lines = check.stdout.splitlines()
    assert lines[0] == f"settings: read from {named}"
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert len(warnings) == 3
    assert "OPS_PORT?" in warnings[0]
    assert f"chmod o-r {named}" in warnings[1]
    assert f"{job.input}: with compression.type=producer" in warnings[2]


def test_check_disturbs_no_running_process(job: Job) -> None:
    daemon = job.start(INSTANCE_ID="one")
    members = job.members()
    settings = job.settings(INSTANCE_ID="one")
    assert job.launch(settings, CHECK).wait() == 0
    assert job.members() == members
    send_load(job, 20)
    job.wait_for_lines(20)
    daemon.stop()
    assert daemon.lines_with(PROBLEM) == []


def test_check_finds_what_is_missing(make_job: MakeJob) -> None:
    job = make_job(None)
    missing_input = job.launch(arguments=CHECK)
    assert missing_input.wait() == 1
    assert job.input in missing_input.log + missing_input.stdout
    job.create_topic(job.input, 1)
    missing_output = job.launch(job.settings(CREATE_TOPICS="none"), CHECK)
    assert missing_output.wait() == 1
    assert job.topics["errors"] in missing_output.log + missing_output.stdout


def test_check_without_a_broker(job: Job) -> None:
    settings = job.settings(KAFKA_BOOTSTRAP_SERVERS=NO_BROKER, STARTUP_RETRIES="1")
    assert job.launch(settings, CHECK).wait() == 1


def test_check_of_wrong_settings(job: Job) -> None:
    daemon = job.launch(job.settings(DELIVERY="never"), CHECK)
    assert daemon.wait() == 2
    assert daemon.log_lines[0].startswith("DELIVERY")


def test_no_broker(without_broker: Daemon) -> None:
    """Each try is logged."""
    assert without_broker.wait() == 1
    lines = [json.loads(line) for line in without_broker.log_lines]
    assert len([line for line in lines if line["level"] in ("warning", "error")]) >= 2
    assert NO_BROKER in without_broker.log
    assert STARTED not in without_broker.stdout
