"""What is counted by name, by the program and by the audit: two readings of one rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.config import SettingsError, load_settings
from kafka_processor.labels import is_device_type, is_locale
from tests.unit import summary_runs
from tests.unit.audit_runs import SETTINGS
from tests.unit.pipeline_runs import settings
from verify.audit.inputs import InputReader

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


@given(st.text("aZ09-_ .é\n", max_size=18) | st.from_regex(r"[a-z]{1,4}([-_]\w{1,5}){0,3}"))
def test_program_audit_and_reference_agree(text: str) -> None:
    assert bool(is_locale(text)) == summary_runs.is_locale(text)
    assert audit_label(text, is_locale=True) == (text if is_locale(text) else "__other__")
    assert bool(is_device_type(text)) == summary_runs.is_device_type(text)
    assert audit_label(text, is_locale=False) == (text if is_device_type(text) else "__other__")


def test_the_audit_knows_fixed_lists() -> None:
    label = InputReader(settings(LOCALE_LABELS="RU", DEVICE_TYPE_LABELS="iOS")).label
    assert [label(text, is_locale=True) for text in ("RU", "TX")] == ["RU", "__other__"]
    assert [label(text, is_locale=False) for text in ("iOS", "RU")] == ["iOS", "__other__"]


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
