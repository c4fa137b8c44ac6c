"""What is counted by name, by the program and by the audit: two readings of one rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.audit.inputs import InputReader
from kafka_processor.config import load_settings
from kafka_processor.dashboard.state import State
from kafka_processor.errors import SettingsError
from kafka_processor.event.labels import is_device_type, is_locale
from kafka_processor.records import SummaryRecord, encode
from kafka_processor.tail.summary import summary_view
from kafka_processor.terminal.screen import Screen
from tests.unit import summary_runs
from tests.unit.audit_runs import SETTINGS
from tests.unit.pipeline_runs import NOW, settings

audit_label = InputReader(SETTINGS).label


@pytest.mark.parametrize(
    "text",
    ["RU", "ru", "TX", "fil", "pt_BR", "pt-BR", "es_419", "zh-Hant", "zh_Hant-TW", "sr-Latn_RS"],
)
def test_locales(text: str) -> None:
    assert is_locale(text)


@pytest.mark.parametrize(
    "text",
    ["", "R", "1.2.3.4", "593-47-5928", "419", "ru-1", "ru-12", "ru-1234", "RU ", " RU", "RU\n",
     "ruru", "ru-RU-x", "ru--RU", "ru-", "-ru", "рф", "ru-٤١٩", "__other__", "ab:cd", "fe80",
     "en_US.UTF-8", "US-TX-1"],
)  # fmt: skip
def test_what_is_no_locale(text: str) -> None:
    assert not is_locale(text)
    assert audit_label(text, is_locale=True) == "__other__"


@pytest.mark.parametrize("text", ["android", "iOS", "iOS 17.4", "smart-tv", "x", "a" * 16])
def test_device_types(text: str) -> None:
    assert is_device_type(text)


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3.4", "593-47-5928", "a" * 17, " iOS", "iOS\n", "fe80::1", "ä", "a/b", "__other__"],
)
def test_what_is_no_device_type(text: str) -> None:
    assert not is_device_type(text)
    assert audit_label(text, is_locale=False) == "__other__"


parts = st.sampled_from(
    ["r", "ru", "RU", "fil", "Hant", "419", "41", "é", "phone", "X.Y", "", "\n"]
)


@given(
    st.text("aZ09-_ .é\n", max_size=18)
    | st.tuples(parts, st.sampled_from("-_ "), parts, st.sampled_from("-_"), parts).map("".join)
    | st.tuples(parts, st.sampled_from("-_ "), parts).map("".join)
)
def test_program_audit_and_reference_agree(text: str) -> None:
    assert bool(is_locale(text)) == summary_runs.is_locale(text)
    assert audit_label(text, is_locale=True) == (text if is_locale(text) else "__other__")
    assert bool(is_device_type(text)) == summary_runs.is_device_type(text)
    assert audit_label(text, is_locale=False) == (text if is_device_type(text) else "__other__")


def test_the_audit_knows_fixed_lists() -> None:
    label = InputReader(settings(LOCALE_LABELS="RU", DEVICE_TYPE_LABELS="iOS")).label
    assert [label(text, is_locale=True) for text in ("RU", "TX")] == ["RU", "__other__"]
    assert [label(text, is_locale=False) for text in ("iOS", "RU")] == ["iOS", "__other__"]


DEVICE_ID, ADDRESS = "593-47-5928", "10.1.2.3"


def forged_summary() -> SummaryRecord:
    """As anybody may write it who may write to the topic."""
    counts = {"RU": 3, DEVICE_ID: 2, ADDRESS: 1, "\x1b[31m": 1, "android": 4}
    return SummaryRecord(
        consumer_group="kafka-processor",
        source_topic="user-login",
        source_partition=0,
        next_offset=9,
        counted_since_offset=0,
        total_received_count=11,
        processed_count=11,
        filtered_count=0,
        skipped_count=0,
        error_count=0,
        replayed_count=0,
        error_type_counts={},
        device_type_counts=counts,
        locale_counts=counts,
        timestamp="",
    )


def test_the_script_shows_no_label_that_is_none() -> None:
    shown = summary_view(Screen(), settings()).show(forged_summary(), "now")
    assert "RU" in shown
    assert "android" in shown
    assert "__other__" in shown
    assert not [text for text in (DEVICE_ID, ADDRESS, "[31m") if text in shown]
    fixed = settings(LOCALE_LABELS="TX", DEVICE_TYPE_LABELS="iOS")
    assert "RU" not in summary_view(Screen(), fixed).show(forged_summary(), "now")


def test_the_dashboard_shows_no_label_that_is_none() -> None:
    for given_settings, locales in (
        (settings(), [("__other__", 8), ("RU", 3)]),
        (settings(LOCALE_LABELS="TX"), [("__other__", 11)]),
    ):
        state = State(given_settings, 600)
        key = b"kafka-processor/user-login-0"
        state.take(("summary-output", 0), key, encode(forged_summary()), NOW, NOW)
        snapshot = state.snapshot(NOW)
        assert snapshot.locales == locales
        page = encode(snapshot).decode()
        assert not [text for text in (DEVICE_ID, ADDRESS, "[31m") if text in page]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LOCALE_LABELS", "RU,1.2.3.4"),
        ("LOCALE_LABELS", ","),
        ("LOCALE_LABELS", ",".join(f"ru-{n:03}" for n in range(65))),
        ("DEVICE_TYPE_LABELS", "android;iOS"),
        ("DEVICE_TYPE_LABELS", ",".join(f"type {n}" for n in range(33))),
    ],
)
def test_lists_that_are_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({name: text})
    [line] = refused.value.lines
    assert line.startswith(f"{name}: ")


def test_the_longest_lists() -> None:
    assert len(load_settings({"LOCALE_LABELS": ", ".join(
        f"ru-{n:03}" for n in range(64))}).locale_labels or ()) == 64  # fmt: skip
