"""What is told of a replay."""

import json

import pytest

from kafka_processor.replay.candidates import Candidates, State
from kafka_processor.replay.report import Report, with_named_ones
from kafka_processor.terminal.progress import Progress


def candidates(**states: int) -> Candidates:
    """So many filtered messages in each state, each state in a partition of its own."""
    found = Candidates()
    for name, count in states.items():
        partition = State[name].value
        for offset in range(count):
            found.add((partition, offset), "filtered", 0)
    found.sort()
    for name, count in states.items():
        for offset in range(count):
            found.set_state((State[name].value, offset), State[name])
    return found


def report(*, is_dry_run: bool = True, stopped: str | None = None, **states: int) -> Report:
    return Report(
        "user-login", candidates(**states), {}, 0, {}, is_dry_run=is_dry_run, stopped=stopped
    )


def test_complete_is_what_was_sent_or_can_be() -> None:
    assert report().is_complete
    assert report(WAITING=2, REPEATED=1, NOT_CHOSEN=5).is_complete
    assert report(is_dry_run=False, SENT=2, REPEATED=1).is_complete
    assert not report(is_dry_run=False, SENT=2, WAITING=1).is_complete
    for left in ("MISSING", "REPLACED", "REFUSED", "CONTRADICTED", "PENDING"):
        assert not Report("t", candidates(**{left: 1}), {}, 0, {}, is_dry_run=True).is_complete
    assert not report(stopped="by a signal").is_complete
    assert not Report("t", Candidates(), {(0, 1): "x"}, 0, {}, is_dry_run=True).is_complete


def test_for_programs() -> None:
    told = report(WAITING=7, MISSING=7, REPLACED=1, REPEATED=2, NOT_CHOSEN=3).for_programs()
    assert json.loads(json.dumps(told)) == told
    assert (told["chosen"], told["to_be_sent"], told["sent"]) == (17, 7, 0)
    assert (told["already_replayed"], told["gone"]) == (2, 8)
    assert told["by_outcome"] == {"filtered": 7}
    assert told["by_partition"] == {"3": 7}
    assert told["examples"] == [f"user-login-3-{offset}" for offset in range(5)]
    assert told["gone_ids"] == [*(f"user-login-0-{n}" for n in range(7)), "user-login-1-0"]


def test_for_people() -> None:
    text = report(WAITING=1234, MISSING=7, REPEATED=2, NOT_CHOSEN=3).for_people()
    assert "1,243 messages chosen" in text
    assert "would be sent" in text
    assert "--send sends 1,234 messages" in text
    assert "user-login-0-4 and 2 more (all with --json)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_for_people_at_its_widest() -> None:
    everything = report(
        is_dry_run=False, SENT=1, WAITING=1, REFUSED=1, REPEATED=1, MISSING=1, REPLACED=1
    ).for_people()
    for column in ("sent", "not sent", "refused", "already replayed", "no longer there"):
        assert column in everything
    assert max(map(len, everything.splitlines())) <= 105


def test_for_people_when_nothing_was_chosen() -> None:
    assert "no message was chosen" in report().for_people()


def test_named_ones_that_the_message_ruled_out_are_told_of() -> None:
    found = candidates(NOT_CHOSEN=1, WAITING=1)
    named = with_named_ones({(9, 9): "why"}, found, frozenset({(2, 0), (3, 0)}))
    assert list(named) == [(2, 0), (9, 9)]
    text = Report("t", found, named, 3, {"errors": 2}, is_dry_run=True).for_people()
    for part in ("t-9-9: why", "t-2-0: ", "3 that are repeats", "2 records", "errors"):
        assert part in text


def test_forged_records_are_named() -> None:
    forged = Report(
        "user-login", candidates(CONTRADICTED=7, PENDING=1), {}, 0, {}, is_dry_run=True,
        forged_copies=[(4, 9), (4, 11)], forged_copies_found=2,
    )  # fmt: skip
    told = forged.for_programs()
    assert (told["contradicted"], told["not_processed_yet"], told["forged_copies"]) == (7, 1, 2)
    assert told["contradicted_ids"] == [
        f"user-login-{State.CONTRADICTED.value}-{offset}" for offset in range(7)
    ]
    assert told["not_processed_yet_ids"] == [f"user-login-{State.PENDING.value}-0"]
    assert told["forged_copy_ids"] == ["user-login-4-9", "user-login-4-11"]
    text = " ".join(forged.for_people().split())
    assert (
        f"user-login-{State.CONTRADICTED.value}-4 and 2 more (all with --json): other records say"
        in text
    )
    assert f"user-login-{State.PENDING.value}-0: the group has not read them yet" in text
    assert "user-login-4-9, user-login-4-11: they name a message in replay-of" in text
    assert "there is nothing to send" in text


def test_progress_in_a_pipe_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    assert not progress.is_due
    progress.show("half")
    assert not progress.is_due
    progress.note("waiting")
    progress.clear()
    assert capsys.readouterr().err == "half\nwaiting\n"


def test_progress_on_a_terminal_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "10")
    progress = Progress()
    progress.show("a long line of text")
    progress.show("b")
    progress.clear()
    progress.clear()
    assert capsys.readouterr().err == "\r\x1b[Ka long li\r\x1b[Kb\r\x1b[K"
