"""Where locales are on a map: states of the US, and countries.

Events name either by two letters, and some codes are both: CA is California and Canada.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

STATES: Final = frozenset(
    re.findall(
        r"\w+",
        "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV "
        "NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY",
    )
)
COUNTRIES: Final = frozenset(
    re.findall(
        r"\w+",
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO "
        "BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ "
        "DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP "
        "GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG "
        "KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML "
        "MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE "
        "PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL "
        "SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM "
        "US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK",
    )
)
BOTH: Final = STATES & COUNTRIES

_PARTS = re.compile(r"[-_]")
_is_language = re.compile(r"[a-z]{2,3}").fullmatch


class Places(Struct):
    """Messages by state and by country; the states are in the country `US` too."""

    states: dict[str, int]
    countries: dict[str, int]
    nowhere: int
    """Messages whose locale is no place."""
    both_are: Literal["states", "countries"]
    """What codes that could be both are taken for."""
    both: list[str]
    """Those among the locales."""


def place(locales: Mapping[str, int]) -> Places:
    """A code that is both is what most of the others are, a state where there is no other."""
    states: Counter[str] = Counter()
    countries: Counter[str] = Counter()
    both: Counter[str] = Counter()
    nowhere = 0
    for locale, count in locales.items():
        kind, code = _read(locale)
        if kind is None:
            nowhere += count
        else:
            {"state": states, "country": countries, "both": both}[kind][code] += count
    are_countries = countries.total() > states.total()
    (countries if are_countries else states).update(both)
    if in_states := states.total():
        countries["US"] += in_states
    return Places(
        dict(states),
        dict(countries),
        nowhere,
        "countries" if are_countries else "states",
        sorted(both),
    )


def _read(locale: str) -> tuple[Literal["state", "country", "both"] | None, str]:
    """Kind and code of `RU`, `TX`, `US-TX`, `pt_BR`, `zh-Hant-TW`; None for what is no place."""
    first, *others = _PARTS.split(locale)
    if others and _is_language(first):
        regions = [part.upper() for part in others if part.upper() in COUNTRIES]
        return ("country", regions[0]) if regions else (None, "")
    if others:
        is_state = first == "US" and others[0] in STATES and len(others) == 1
        return ("state", others[0]) if is_state else (None, "")
    if first in BOTH:
        return "both", first
    if first in STATES:
        return "state", first
    return ("country", first) if first in COUNTRIES else (None, "")
