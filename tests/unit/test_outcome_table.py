"""The table of outcomes: complete, and what the documentation says."""

import json
import re
from typing import get_args

import pytest

from kafka_processor.outcomes import ERROR_TYPES, KINDS, OUTCOMES, ErrorType, Outcome
from kafka_processor.replay import candidates
from kafka_processor.summary_printer import SummaryPrinter
from tests.support.program import PROJECT_FOLDER
from tests.unit.pipeline_runs import NOW, PARTITION, event, event_without, run, settings

CONTRACT = (PROJECT_FOLDER / "docs" / "contract.md").read_text("utf-8")
WAY = CONTRACT.split("\n## A message's way\n")[1].split("\n## ")[0]
OPERATIONS = (PROJECT_FOLDER / "docs" / "operations.md").read_text("utf-8")

TOO_LARGE = {(PARTITION, 42): "refused"}
RUNS = {
    "processed": run(event()),
    "filtered": run(event(app_version="1")),
    "skipped": run(event(), timestamp=(1, NOW - 60_001)),
    "parse_error": run(b"{"),
    "missing_field": run(event_without("locale")),
    "invalid_field": run(event(locale=1)),
    "transform_error": run(event(ip="x")),
    "publish_error": run(event(), refused=TOO_LARGE),
}
"""A message with each outcome."""


def test_each_outcome_has_one_row() -> None:
    literals = {name for literal in get_args(Outcome) for name in get_args(literal)}
    assert OUTCOMES.keys() == literals == RUNS.keys()
    assert set(get_args(ErrorType)) == ERROR_TYPES


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_its_record_goes_to_its_topic_and_it_is_counted_as_its_kind(outcome: Outcome) -> None:
    row, result = OUTCOMES[outcome], RUNS[outcome]
    topic = getattr(settings(), row.topic) if row.topic else None
    assert result.outcome == outcome
    assert result.line["topic"] == topic
    assert (result.published and result.published.topic) == topic

    summary = SummaryPrinter(settings(), "0123abcd")
    summary.restore(PARTITION, None, None, 42, 0.0)
    summary.add(PARTITION, result.work, 0.0)
    [(_, _, value)] = summary.publish([PARTITION], NOW)
    record = json.loads(value)
    counts = {kind: record[f"{kind}_count"] for kind in KINDS}
    assert counts == dict.fromkeys(KINDS, 0) | {row.counted_as: 1}
    assert record["error_type_counts"] == ({outcome: 1} if outcome in ERROR_TYPES else {})


def test_a_label_says_more_than_the_name_and_fits_into_a_tooltip() -> None:
    for outcome, row in OUTCOMES.items():
        assert row.label != outcome.replace("_", " ")
        assert 10 < len(row.label) <= 60


def test_the_contract_names_each_in_its_words() -> None:
    errors = re.findall(r"\*\*error\*\* `(\w+)`", WAY)
    assert sorted(errors) == sorted(ERROR_TYPES)
    others = re.findall(r"^\d\. \*\*(\w+)\*\*", WAY, re.MULTILINE)
    assert sorted({*others} - {"error"}) == sorted(OUTCOMES.keys() - ERROR_TYPES)
    names = " | ".join(outcome for outcome in OUTCOMES if outcome not in ERROR_TYPES)
    assert f"`outcome`: `{names} | <error_type>`" in CONTRACT
    assert ", ".join(f"{kind}_count" for kind in KINDS) in CONTRACT
    for kind in ("processed", "filtered", "skipped"):
        assert OUTCOMES[kind].counted_as == kind


def test_the_page_on_operations_names_the_kinds() -> None:
    kinds = ", ".join(f"`{kind}`" for kind in KINDS)
    assert f"| `messages_total` | `outcome` ({kinds}), `error_type` |" in OPERATIONS


def test_a_replay_can_keep_what_metrics_report_of_a_message() -> None:
    """Of each outcome one bit, and one more, in a column of 16."""
    assert candidates._IN_OUTPUT < 2**16
    assert len({*candidates._BITS.values(), candidates._IN_OUTPUT}) == len(OUTCOMES) + 1
