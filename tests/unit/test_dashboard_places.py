"""Locales on the dashboard's maps."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.dashboard.places import BOTH, COUNTRIES, STATES, place
from kafka_processor.dashboard.server import STATIC


def test_states_among_states() -> None:
    found = place({"CA": 10, "TX": 5, "RU": 2})
    assert found.states == {"CA": 10, "TX": 5}
    assert found.countries == {"RU": 2, "US": 15}
    assert (found.both_are, found.both) == ("states", ["CA"])


def test_countries_among_countries() -> None:
    found = place({"CA": 10, "TX": 1, "RU": 2})
    assert found.states == {"TX": 1}
    assert found.countries == {"CA": 10, "RU": 2, "US": 1}
    assert (found.both_are, found.both) == ("countries", ["CA"])


@pytest.mark.parametrize(
    ("locale", "states", "countries"),
    [
        ("US-TX", {"TX": 1}, {"US": 1}),
        ("US_CA", {"CA": 1}, {"US": 1}),
        ("pt_BR", {}, {"BR": 1}),
        ("en-us", {}, {"US": 1}),
        ("en-US-POSIX", {}, {"US": 1}),
        ("zh-Hant-TW", {}, {"TW": 1}),
        ("DE", {"DE": 1}, {"US": 1}),
        ("FR", {}, {"FR": 1}),
    ],
)
def test_forms_of_locales(locale: str, states: dict[str, int], countries: dict[str, int]) -> None:
    found = place({locale: 1})
    assert (found.states, found.countries, found.nowhere) == (states, countries, 0)


@pytest.mark.parametrize("locale", ["en", "ru", "__other__", "-", "QQ", "US-QQ", "es-419", "RU-X"])
def test_what_is_no_place(locale: str) -> None:
    assert place({locale: 3}).nowhere == 3


@given(st.dictionaries(st.text(max_size=16), st.integers(0, 10**6)))
def test_every_message_is_somewhere_or_nowhere(locales: dict[str, int]) -> None:
    found = place(locales)
    assert sum(found.countries.values()) + found.nowhere == sum(locales.values())
    assert found.states.keys() <= STATES
    assert found.countries.keys() <= COUNTRIES


def test_the_maps_have_the_places() -> None:
    maps = STATIC / "vendor" / "maps"
    states = json.loads((maps / "states.json").read_text())["shapes"]
    countries = json.loads((maps / "countries.json").read_text())["shapes"]
    assert states.keys() == STATES
    assert countries.keys() - {""} <= COUNTRIES
    assert {"CA", "DE", "IN"} <= BOTH
