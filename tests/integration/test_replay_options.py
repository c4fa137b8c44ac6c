"""What the options of `kafka-processor replay` choose, and what is wrong with some."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cases import ABSENT, login
from tests.support.job import Job, Site
from tests.support.program import NO_BROKER, Daemon, copy_program
from tests.support.replays import (
    REPLAY,
    ends_of,
    read,
    replay,
    report_of,
)


class Mixed:
    """A job with one message of each kind and more, whose names stand for their ids."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ids: dict[str, str] = {}
        self._next = Counter[int]()
        add = self._add
        add("processed", login(user_id="alice"))
        add("filtered", login(user_id="alice", app_version="2.4.0", ip="93.184.216.34"))
        add("no locale", login(user_id="bob", locale=ABSENT))
        add("empty locale", login(user_id="bob", locale="", device_id="device-1"))
        add("number", login(user_id="alice", app_version=5))
        add("no address", login(user_id="carol", ip="nowhere", locale="DE"), partition=1)
        add("other version", login(user_id="carol", app_version="1.0"), partition=1)
        add("no json", None, partition=1)
        add("old", login(user_id="alice", locale="DE"), age=7200)
        add("older", login(user_id="bob", app_version="2.4.0"), age=14400, partition=1)
        job.flush()
        job.run(len(self.ids))

    def _add(
        self, name: str, fields: dict[str, Any] | None, partition: int = 0, age: float | None = None
    ) -> None:
        value = b"no json" if fields is None else json.dumps(fields).encode()
        self.job.send(value, partition, age=age)
        self.ids[name] = f"{self.job.input}-{partition}-{self._next[partition]}"
        self._next[partition] += 1


@pytest.fixture(scope="module")
def mixed(site: Site) -> Iterator[Mixed]:
    with Job(site, 2) as job:
        yield Mixed(job)


def before(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))


FAILED = ("no locale", "empty locale", "number", "no address", "no json")
SELECTIONS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "all": (["--all"], (*FAILED, "filtered", "other version", "old", "older")),
    "filtered": (["--outcome", "filtered"], ("filtered", "other version")),
    "skipped": (["--outcome", "skipped"], ("old", "older")),
    "any error": (["--outcome", "error"], FAILED),
    "error types": (
        ["--outcome", "missing_field", "--outcome", "parse_error"],
        ("no locale", "empty locale", "no json"),
    ),
    "a field": (["--field", "app_version=2.4.0"], ("filtered", "older")),
    "a field that was masked": (["--field", "ip=93.184.216.34"], ("filtered",)),
    "a field that was hashed": (["--field", "device_id=device-1"], ("empty locale",)),
    "a field of the wrong type": (["--field", "app_version=5"], ("number",)),
    "no field": (["--field", "locale="], ("no locale", "empty locale")),
    "two fields": (["--field", "locale=DE", "--field", "user_id=alice"], ("old",)),
    "a user": (["--user", "alice"], ("filtered", "number", "old")),
    "two users": (
        ["--user", "carol", "--user", "alice", "--outcome", "error"],
        ("number", "no address"),
    ),
    "since": (["--since", before(10_800), "--outcome", "skipped"], ("old",)),
    "until": (["--until", before(3_600)], ("old", "older")),
    "since and until": (["--since", before(18_000), "--until", before(10_800)], ("older",)),
    "a partition": (
        ["--partition", "1"],
        ("no address", "other version", "no json", "older"),
    ),
    "offsets": (["--from-offset", "1", "--to-offset", "3", "--partition", "0"],
                ("filtered", "no locale")),
    "nothing": (["--user", "nobody"], ()),
}  # fmt: skip


@pytest.mark.parametrize("case", SELECTIONS)
def test_selection(mixed: Mixed, case: str) -> None:
    arguments, expected = SELECTIONS[case]
    report = report_of(mixed.job, *arguments)
    assert report["to_be_sent"] == report["chosen"] == len(expected)
    # It names five at the most.
    named = {mixed.ids[name] for name in expected}
    assert set(report["examples"]) <= named
    assert len(report["examples"]) == min(len(named), 5)


def test_named_messages(mixed: Mixed) -> None:
    def named(*names: str) -> list[str]:
        return [part for name in names for part in ("--message-id", mixed.ids[name])]

    report = report_of(mixed.job, *named("old", "no json"))
    assert sorted(report["examples"]) == sorted([mixed.ids["old"], mixed.ids["no json"]])

    unknown = ("--message-id", f"{mixed.job.input}-7-7")
    report = report_of(
        mixed.job, *named("processed", "filtered", "no json"), *unknown, "--user", "alice", code=1
    )
    assert report["examples"] == [mixed.ids["filtered"]]
    assert sorted(report["not_replayed"]) == sorted(
        [mixed.ids["processed"], mixed.ids["no json"], unknown[1]]
    )
    assert "processed" in report["not_replayed"][mixed.ids["processed"]]


def test_nothing_personal_is_printed(mixed: Mixed) -> None:
    arguments = ("--user", "alice", "--field", "ip=93.184.216.34", "--field", "user_id=alice")
    for flags in ((), ("--json",)):
        command = replay(mixed.job, *arguments, *flags)
        for word in ("alice", "93.184"):
            assert word not in command.stdout + command.log


def test_skipped_ones_are_not_known_without_metrics(mixed: Mixed) -> None:
    command = replay(mixed.job, "--outcome", "skipped", code=2, METRICS_TOPIC="")
    assert len(command.log_lines) == 1
    assert command.log.startswith("METRICS_TOPIC")
    report = report_of(mixed.job, "--all", METRICS_TOPIC="")
    assert report["chosen"] == len(FAILED) + 2


def test_a_dry_run_changes_nothing(mixed: Mixed) -> None:
    topics = [mixed.job.input, *mixed.job.topics.values()]
    ends, groups = ends_of(mixed.job, topics), group_names(mixed.job)
    transactions = ends_of(mixed.job, ["__transaction_state"])
    report_of(mixed.job, "--all")
    assert ends_of(mixed.job, topics) == ends
    assert group_names(mixed.job) == groups
    # Others may be under way; none is a replay's.
    begun = [message.key() or b"" for message in read(mixed.job, transactions)]
    assert not [key for key in begun if mixed.job.input in str(key)]


def group_names(job: Job) -> set[str]:
    return {each.group_id for each in job.admin.list_consumer_groups().result(30).valid}


@pytest.mark.parametrize(
    ("arguments", "settings", "code"),
    [
        ((), {}, 2),
        (("--outcome", "processed"), {}, 2),
        (("--all", "--since", "yesterday"), {}, 2),
        (("--all", "--no-such-option"), {}, 2),
        (("--all",), {"DELIVERY": "sometimes"}, 2),
        (("--all",), {"KAFKA_BOOTSTRAP_SERVERS": NO_BROKER}, 1),
        (("--all", "--send"), {"INPUT_TOPIC": "no-such-topic"}, 1),
        (("--outcome", "filtered"), {"CLEANED_TOPIC": "no-such-topic"}, 1),
    ],
)
def test_what_is_wrong_takes_one_line(
    mixed: Mixed, arguments: tuple[str, ...], settings: dict[str, str], code: int
) -> None:
    command = replay(mixed.job, *arguments, code=code, **settings)
    assert command.stdout == ""
    assert len(command.log_lines) == 1, command.log
    for value in settings.values():
        assert value in command.log


def test_no_key_is_made_and_none_is_looked_at(mixed: Mixed, tmp_path: Path) -> None:
    program = copy_program(tmp_path / "checkout", with_project_file=True)
    settings = mixed.job.settings(DEVICE_ID_KEY="not a key")
    inside = program / "kafka_processor"
    folder = tmp_path / "run"
    folder.mkdir()
    arguments = ("main.py", "replay", "--all", "--json")
    with Daemon(program, folder, settings, arguments, working_folder=inside) as command:
        assert command.wait() == 0, command.log
        assert json.loads(command.stdout)["dry_run"] is True
    assert not list(program.glob(".device_id.key*"))


def test_help(tmp_path: Path, site: Site) -> None:
    with Daemon(site.program, tmp_path, {"DELIVERY": "never"}, (*REPLAY, "--help")) as command:
        assert command.wait() == 0
        assert "--include-repeats" in command.stdout
