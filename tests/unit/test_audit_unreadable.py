"""The audit of what neither the program nor the audit can read."""

from typing import Any

import pytest

from kafka_processor.audit.findings import CONTRADICTING, DOUBLED, LOST
from tests.unit.audit_runs import AT_LEAST_ONCE, History, audited, history
from tests.unit.pipeline_runs import event

FIRST = 2
"""The first offset that cannot be read."""


@pytest.fixture
def made() -> History:
    return history([event(), event()], unreadable_after=3)


def kinds(made: History) -> list[tuple[str, int | None]]:
    violations, _ = audited(made)
    return [(each.kind, each.offset) for each in violations]


def test_such_outcomes_are_accepted_and_counted(made: History) -> None:
    violations, partition = audited(made)
    assert not violations
    assert partition.tally.unreadable == 3
    assert partition.tally.audited == 5
    assert partition.tally.errors == 3


def test_a_message_that_can_be_read_must_not_be_called_unreadable(made: History) -> None:
    made.unreadable.discard(FIRST)
    made.messages[FIRST] = event()
    assert (CONTRADICTING, FIRST) in kinds(made)


def test_an_unreadable_message_must_not_have_another_error(made: History) -> None:
    made.record_of(FIRST).value["error_message"] = "the message is not UTF-8"
    assert kinds(made) == [(CONTRADICTING, FIRST)]


def test_an_unreadable_message_must_not_be_processed(made: History) -> None:
    made.unreadable.add(1)
    assert (CONTRADICTING, 1) in kinds(made)


def test_an_unreadable_message_must_not_be_skipped(made: History) -> None:
    made.records.remove(made.record_of(FIRST))
    made.line_of(FIRST)["outcome"] = "skipped"
    made.line_of(FIRST)["topic"] = None
    assert (CONTRADICTING, FIRST) in kinds(made)


@pytest.mark.parametrize(
    ("field", "value"),
    [("user_id", "somebody"), ("message_content", {"locale": "RU"})],
)
def test_an_unreadable_message_has_no_content(made: History, field: str, value: Any) -> None:
    made.record_of(FIRST).value[field] = value
    assert kinds(made) == [(CONTRADICTING, FIRST)]


def test_an_unreadable_message_has_no_key(made: History) -> None:
    made.record_of(FIRST).key = b"somebody"
    assert set(kinds(made)) == {(CONTRADICTING, FIRST)}


def test_a_lost_one_is_found(made: History) -> None:
    made.records.remove(made.record_of(FIRST))
    made.lines.remove(made.line_of(FIRST))
    assert (LOST, FIRST) in kinds(made)


def test_a_doubled_one_is_found_where_that_is_not_allowed(made: History) -> None:
    made.records.append(made.record_of(FIRST))
    assert kinds(made) == [(DOUBLED, FIRST)]
    violations, _ = audited(made, AT_LEAST_ONCE)
    assert not violations
