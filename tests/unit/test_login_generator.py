"""The generated logins: what they are expected to become is what the pipeline makes of them."""

import json
from collections import Counter

import pytest
from confluent_kafka import Message

from dev.login_faults import FAULTS, Fault
from dev.logins import EXPECTED_OUTCOMES, GeneratedEvent, LoginEvents, Shares
from kafka_processor.config import load_settings
from kafka_processor.pipeline import Pipeline, Work

NOW = 1694479551.25
MANY = 5_000
PIPELINE = Pipeline(load_settings({}), bytes(32))
GOOD_EVENT: dict[str, object] = {
    "user_id": "424cdd21-063a-43a7-b91b-7ca1a833afae",
    "app_version": "2.3.0",
    "device_type": "android",
    "ip": "199.172.111.135",
    "locale": "RU",
    "device_id": "593-47-5928",
    "timestamp": 1694479551,
}


def generate(count: int, shares: Shares, seed: int = 7) -> list[GeneratedEvent]:
    events = LoginEvents(seed, shares)
    return [events.next(NOW + number / 1000) for number in range(count)]


def work_on(value: bytes | None, age_seconds: float = 0.0) -> Work:
    """What the daemon makes of one message, under default settings."""
    now = round(NOW * 1000)
    message = Message(
        topic="user-login",
        partition=0,
        offset=0,
        value=value,
        timestamp=(1, now - round(age_seconds * 1000)),
    )
    return PIPELINE.work(0, [message], now, {})


def outcome_of(value: bytes | None, age_seconds: float = 0.0) -> str:
    [outcome] = work_on(value, age_seconds).outcomes
    return outcome


def test_events_have_the_outcome_that_is_expected() -> None:
    for event in generate(1000, Shares(faulty=0.4, old=0.1, filtered=0.1)):
        assert outcome_of(event.value, event.age_seconds) == event.expected_outcome, event


@pytest.mark.parametrize(
    "fault", {fault.name: fault for fault in FAULTS}.values(), ids=lambda fault: fault.name
)
def test_every_kind_of_fault_has_the_outcome_that_is_expected(fault: Fault) -> None:
    assert outcome_of(fault.spoil(GOOD_EVENT)) == fault.expected_outcome


def test_what_a_fault_spoils_was_a_good_event() -> None:
    assert outcome_of(json.dumps(GOOD_EVENT).encode()) == "processed"


def test_outcomes_come_by_their_shares() -> None:
    shares = Shares(faulty=0.2, old=0.1, filtered=0.05)
    counts = Counter(event.expected_outcome for event in generate(MANY, shares))

    assert set(counts) == set(EXPECTED_OUTCOMES)
    faulty = MANY - counts["processed"] - counts["filtered"] - counts["skipped"]
    assert faulty / MANY == pytest.approx(0.2, abs=0.02)
    assert counts["skipped"] / MANY == pytest.approx(0.1, abs=0.02)
    assert counts["filtered"] / MANY == pytest.approx(0.05, abs=0.02)


def test_without_shares_all_events_are_processed() -> None:
    events = generate(MANY, Shares(faulty=0, old=0, filtered=0, ipv6=0))
    assert {event.expected_outcome for event in events} == {"processed"}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_addresses_are_ipv6_by_their_share(share: float) -> None:
    events = generate(MANY, Shares(faulty=0, old=0, filtered=0, ipv6=share))
    ipv6 = sum(":" in json.loads(event.value or b"")["ip"] for event in events)
    assert ipv6 / MANY == pytest.approx(share, abs=0.03)


def test_the_same_seed_gives_the_same_events() -> None:
    shares = Shares(faulty=0.3)
    assert generate(1000, shares, seed=5) == generate(1000, shares, seed=5)
    assert generate(100, shares, seed=5) != generate(100, shares, seed=6)


def test_events_look_like_real_ones() -> None:
    events = [event for event in generate(MANY, Shares()) if event.expected_outcome == "processed"]
    documents = [json.loads(event.value or b"") for event in events]

    assert all(document.keys() == GOOD_EVENT.keys() for document in documents)
    keys = [event.key for event in events]
    assert keys == [document["user_id"].encode() for document in documents]
    assert {document["device_type"] for document in documents} == {"android", "iOS"}
    assert {len(document["locale"]) for document in documents} == {2}
    assert {type(document["timestamp"]) for document in documents} == {int, str}
    assert all(0 <= int(document["timestamp"]) - NOW + 1 < 22 for document in documents)
    assert len({tuple(document) for document in documents}) > 10, "names come in several orders"
    assert 150 < sum(len(event.value or b"") for event in events) / len(events) < 260
    users = Counter(keys)
    assert len(users) > 1000 and users.most_common(1)[0][1] > 5, "users come back"


def test_old_events_are_old_in_themselves_too() -> None:
    for event in generate(200, Shares(faulty=0, old=1, filtered=0)):
        assert event.age_seconds == 300
        timestamp = int(json.loads(event.value or b"")["timestamp"])
        assert timestamp == pytest.approx(NOW - 300, abs=2)


def test_all_locales_are_counted_by_their_name() -> None:
    """The summary has room for 64 locales a partition; the demo compares with it."""
    documents = (
        json.loads(event.value or b"")
        for event in generate(MANY, Shares(faulty=0, old=0, filtered=0))
    )
    assert 40 < len({document["locale"] for document in documents}) <= 64


@pytest.mark.parametrize(
    "shares",
    [{"faulty": 1.1}, {"old": -0.1}, {"ipv6": 2}, {"faulty": 0.5, "old": 0.4, "filtered": 0.2}],
)
def test_shares_that_cannot_be_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares are from 0 to 1"):
        Shares(**shares)
