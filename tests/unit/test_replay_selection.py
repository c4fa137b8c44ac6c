"""Which messages are chosen; and that a record never rules out what the message would not."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.outcomes import ERROR_TYPES
from kafka_processor.records import FIELDS, MAX_TEXT
from kafka_processor.replay.candidates import Candidates, State
from kafka_processor.replay.finding import Finder
from kafka_processor.replay.outcomes import NO_TIME, _fingerprint, fields_of
from kafka_processor.replay.selection import OutcomeRecord, Selection, field_matches
from tests.unit.hostile_events import events
from tests.unit.pipeline_runs import (
    EVENT,
    KEY,
    MESSAGE_ID,
    NOW,
    OFFSET,
    PARTITION,
    event,
    event_without,
    message,
    run,
    settings,
)

METRICS = "metrics-output"


@pytest.mark.parametrize(
    ("value", "name", "wanted", "matches"),
    [
        (event(), "app_version", "2.3.0", True),
        (event(), "app_version", "2.3", False),
        (event(), "app_version", "", False),
        (event_without("locale"), "locale", "", True),
        (event(locale=None), "locale", "", True),
        (event(locale=""), "locale", "", True),
        (event(locale=" "), "locale", "", False),
        (event(locale=5), "locale", "5", True),
        (event(locale="5"), "locale", "5", True),
        (event(locale=True), "locale", "true", True),
        (event(locale=[]), "locale", "[]", False),
        (event(locale="=a=b"), "locale", "=a=b", True),
        (event(timestamp=1694479551), "timestamp", "1694479551", True),
        (event(timestamp="1694479551"), "timestamp", "1694479551", True),
        (event(timestamp=1.5), "timestamp", "1.5", True),
        (event(timestamp=int("9" * 308)), "timestamp", "9" * 308, True),
        (event(timestamp=int("9" * 400)), "timestamp", "9" * 400, False),
        (event(timestamp=0).replace(b"0}", b"9" * 5000 + b"}"), "timestamp", "9", False),
        (event(ip="1.2.3.4"), "ip", "1.2.3.4", True),
        (event(ip="1.2.3.4"), "ip", "1.2.3.0", False),
        (event(device_id="d"), "device_id", "d", True),
        (event(user_id="x" * 2000), "user_id", "x" * 2000, True),
        (b"not json", "locale", "", False),
        (b"[]", "locale", "", False),
        (None, "locale", "", False),
    ],
)
def test_fields_are_those_of_the_message(
    value: bytes | None, name: str, wanted: str, matches: bool
) -> None:
    assert field_matches(fields_of(value), name, wanted) is matches


def test_positions() -> None:
    selection = Selection(
        partitions=frozenset({1, 2}), from_offset=5, to_offset=7, message_ids=frozenset({(1, 6)})
    )
    assert selection.takes_position(1, 6)
    for position in ((1, 5), (2, 6), (3, 6)):
        assert not selection.takes_position(*position)
    ranged = Selection(from_offset=5, to_offset=7)
    assert [o for o in range(10) if ranged.takes_position(0, o)] == [5, 6]


def test_times_include_the_first_and_not_the_last() -> None:
    selection = Selection(since=10, until=12)
    assert [t for t in range(9, 14) if selection.takes_message({}, t)] == [10, 11]
    assert not selection.takes_message({}, None)
    assert Selection().takes_message(None, None)


def test_outcomes() -> None:
    assert Selection().takes_outcome("filtered")
    assert Selection(outcomes=ERROR_TYPES).takes_outcome("parse_error")
    assert not Selection(outcomes=ERROR_TYPES).takes_outcome("filtered")


def test_a_message_written_down_long_before_is_ruled_out() -> None:
    hour = 3_600_000
    assert not Selection(since=2 * hour).may_take(OutcomeRecord("filtered", hour - 1))
    assert Selection(since=2 * hour).may_take(OutcomeRecord("filtered", hour + 1))


@given(
    events() | st.binary() | st.none(),
    st.sampled_from(FIELDS),
    st.sampled_from(["", "2.3.0", "RU", "null", "true", "0"]) | st.text(max_size=5),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(["2.3.0", "other"]),
)
@example(event().replace(b"1694479551", b"9" * 400), "timestamp", "9", 0, False, "other")
@example(event().replace(b"1694479551", b"9" * 5000), "timestamp", "9", 0, False, "other")
def test_no_record_rules_out_its_own_message(
    value: bytes | None, name: str, text: str, kind: int, is_own: bool, accepted: str
) -> None:
    """Whatever the daemon makes of any bytes: the record leads back to the very message, and
    what the message matches, its record lets pass."""
    result = run(value, ACCEPTED_APP_VERSIONS=accepted)
    if result.published is None or result.outcome == "processed":
        return
    fields = fields_of(value)
    own, user = (fields or {}).get(name), str((fields or {}).get("user_id"))
    wanted = own if is_own and isinstance(own, str) else text
    selection = [
        Selection(fields=((name, wanted),)),
        Selection(users=frozenset({user if 1 <= len(user) <= MAX_TEXT else "user"})),
        Selection(since=NOW, until=NOW + 1),
        Selection(outcomes=frozenset({result.outcome})),
    ][kind]
    finder = Finder(settings(), selection)
    finder.read(result.published.topic, result.published.value)
    finder.candidates.sort()
    assert not finder.unknown_records
    if not finder.candidates.partitions:
        assert not selection.takes_message(fields, NOW)
        return
    candidates = finder.candidates.partitions[PARTITION]
    candidates.decide(OFFSET, fields, NOW, selection)
    chosen = selection.takes_message(fields, NOW)
    assert candidates.state_of(OFFSET) == (State.WAITING if chosen else State.NOT_CHOSEN)


def test_a_skipped_message_is_found_in_the_metrics() -> None:
    result = run(event(), timestamp=(1, NOW - 90_000))
    assert result.outcome == "skipped"
    value = json.dumps({"message_details": [result.line]}).encode()
    finder = Finder(settings(), Selection(outcomes=frozenset({"skipped"})))
    assert list(finder.readers) == [METRICS]
    finder.read(METRICS, value)
    finder.candidates.sort()
    candidates = finder.candidates.partitions[PARTITION]
    candidates.decide(OFFSET, EVENT, NOW - 90_000, Selection())
    assert candidates.state_of(OFFSET) == State.WAITING
    candidates.decide(OFFSET, EVENT, NOW - 9_000_000, Selection())
    assert candidates.state_of(OFFSET) == State.REPLACED


def test_topics_that_are_read() -> None:
    def topics(selection: Selection, **given: str) -> set[str]:
        return set(Finder(settings(**given), selection).readers)

    everything = {"processed-errors", "cleaned-data", METRICS}
    assert topics(Selection()) == everything
    assert topics(Selection(), METRICS_TOPIC="") == everything - {METRICS}
    assert topics(Selection(outcomes=frozenset({"parse_error"}))) == {"processed-errors"}
    named = Selection(outcomes=frozenset({"filtered"}), message_ids=frozenset({(0, 0)}))
    assert topics(named) == {"cleaned-data", METRICS}


def line(outcome: str, offset: int, **more: str) -> dict[str, Any]:
    return {
        "message_id": f"user-login-0-{offset}",
        "outcome": outcome,
        "topic": None,
        "processing_time": 0.0,
        "latency": 90.0,
        "timestamp": "2024-07-10T02:00:25.120Z",
        **more,
    }


def test_why_a_named_message_is_not_replayed() -> None:
    selection = Selection(
        message_ids=frozenset((0, offset) for offset in range(6)),
        outcomes=frozenset({"skipped", "filtered"}),
    )
    finder = Finder(settings(), selection)
    lines = [
        line("processed", 0),
        line("skipped", 1),
        line("skipped", 2, replay_of="user-login-0-1"),
        line("parse_error", 3),
        line("processed", 9),
        {**line("skipped", 4), "message_id": "other-0-4"},
    ]
    finder.read(METRICS, json.dumps({"message_details": lines}).encode())
    finder.candidates.sort()
    why_not = {offset: why for (_, offset), why in finder.why_not().items()}
    assert sorted(why_not) == [0, 2, 3, 4, 5]
    for offset, word in {
        0: "processed",
        2: "--include-repeats",
        3: "rule",
        5: "no outcome",
    }.items():
        assert word in why_not[offset]
    assert finder.repeats_left_out == 1


@given(st.binary() | events() | st.sampled_from([b"null", b"{}", b'{"message_details":[{}]}']))
def test_records_of_any_form_are_passed_over(value: bytes) -> None:
    finder = Finder(settings(), Selection())
    for topic in finder.readers:
        finder.read(topic, value)
        finder.read(topic, None)
    assert not finder.candidates.partitions
    # What does not even hold the word is not looked at in the metrics.
    assert all(finder.unknown_records[topic] == 2 for topic in finder.readers if topic != METRICS)


@given(events())
def test_what_is_left_of_a_publish_error_rules_out_nothing(value: bytes) -> None:
    result = run(value, refused={(PARTITION, OFFSET): "too large"})
    assert result.published is not None
    finder = Finder(settings(), Selection(fields=(("locale", "no such"),)))
    finder.read(result.published.topic, result.published.value)
    assert finder.candidates.partitions


def test_repeats_are_left_out_unless_asked_for() -> None:
    result = run(b"", headers=[("replay-of", b"user-login-3-5")])
    assert result.published is not None
    for include, expected in ((False, 0), (True, 1)):
        finder = Finder(settings(), Selection(include_repeats=include))
        finder.read(result.published.topic, result.published.value)
        assert len(finder.candidates.partitions) == expected
        assert finder.repeats_left_out == 1 - expected


def test_another_key_does_not_matter() -> None:
    """The pseudonym in the record is not compared."""
    result = run(event(app_version="1"), key=KEY[::-1])
    assert result.published is not None
    finder = Finder(settings(), Selection(fields=(("device_id", EVENT["device_id"]),)))
    finder.read(result.published.topic, result.published.value)
    finder.candidates.sort()
    candidates = finder.candidates.partitions[PARTITION]
    fields = fields_of(message(event(app_version="1")).value())
    candidates.decide(OFFSET, fields, NOW, finder._selection)
    assert candidates.state_of(OFFSET) == State.WAITING
    assert result.record["message_id"] == MESSAGE_ID


@given(
    events() | st.binary() | st.none(),
    st.sampled_from([(1, NOW), (1, NOW + 9_000_000), (0, -1)]),
    st.booleans(),
    st.booleans(),
)
def test_whatever_was_processed_is_not_sent_on_the_word_of_a_forged_record(
    value: bytes | None, timestamp: tuple[int, int], has_output: bool, is_filtered: bool
) -> None:
    """The daemon's own records of any message tell enough, each topic by itself."""
    result = run(value, timestamp=timestamp)
    if result.outcome != "processed" or result.published is None:
        return
    candidates = Candidates()
    finder = Finder(settings(), Selection())
    finder.candidates = candidates
    created = timestamp[1] if timestamp[0] else None
    # The mark is what a forger who has read the input would see to.
    mark = _fingerprint(fields_of(value) or {}) if is_filtered else created
    outcome = "filtered" if is_filtered else "parse_error"
    candidates.add((PARTITION, OFFSET), outcome, NO_TIME if mark is None else mark)
    candidates.sort()
    partition = candidates.partitions[PARTITION]
    partition.decide(OFFSET, fields_of(value), created, Selection())
    assert partition.state_of(OFFSET) == State.WAITING
    if has_output:
        finder.weigh("processed-output", result.published.value)
    else:
        finder.weigh(METRICS, json.dumps({"message_details": [result.line]}).encode())
    candidates.settle({})
    assert partition.state_of(OFFSET) == State.CONTRADICTED
    assert not finder.unknown_records


@given(events() | st.binary() | st.none())
def test_the_daemons_own_records_contradict_no_candidate(value: bytes | None) -> None:
    result = run(value, ACCEPTED_APP_VERSIONS="other")
    if result.published is None:
        return
    finder = Finder(settings(), Selection())
    finder.read(result.published.topic, result.published.value)
    finder.candidates.sort()
    partition = finder.candidates.partitions[PARTITION]
    partition.decide(OFFSET, fields_of(value), NOW, Selection())
    finder.weigh(METRICS, json.dumps({"message_details": [result.line]}).encode())
    finder.candidates.settle({PARTITION: OFFSET + 1})
    assert partition.state_of(OFFSET) == State.WAITING


@given(st.sampled_from(["processed-output", METRICS]), events() | st.binary() | st.none())
def test_other_records_of_any_form_are_passed_over(topic: str, value: bytes | None) -> None:
    finder = Finder(settings(), Selection(outcomes=frozenset({"parse_error"})))
    finder.weigh(topic, value)
    assert finder.other_topics == ["processed-output", METRICS]
