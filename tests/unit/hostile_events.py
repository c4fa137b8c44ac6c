"""Strategies for the bytes of near-valid login events: each field, name and byte may be wrong."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.unit.pipeline_runs import EVENT

FIELDS = tuple(EVENT)

any_text = st.text(st.characters(), max_size=12)  # surrogates too
digits = st.text("0123456789", min_size=1, max_size=25)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)

odd_addresses = st.one_of(
    ipv4,
    ipv6,
    ipv4.map("::ffff:{}".format),
    ipv4.map("2002:{}".format),
    st.tuples(*[st.integers(0, 0xFFFF)] * 3).map(lambda n: f"2002:{n[0]:x}:{n[1]:x}::{n[2]:x}"),
    st.sampled_from(
        [
            " 1.2.3.4 ", "010.1.2.3", "1.2.3.4:80", "fe80::1%eth0", "1.2.3", "1.2.3.4.5",
            "256.1.1.1", "1.2.3.4\n", "1.2.3.\u0664", "0x1.2.3.4", "1..2.3", "::", ":::",
            "1:2:3:4:5:6:7::",
            "::1:2:3:4:5:6:7:8", "00001::", "::ffff:010.1.2.3", "[::1]", "1.2.3.4\u0000", "0.0.0.0",
            "::FFFF:1.2.3.4", "2001:DB8::1", "1.2.3.4/24", "3232235777", "::1.2.3",
            "1::2::3", "-1.2.3.4",
        ]
    ),
    st.text("0123456789abcdefABCDEF:.%", max_size=20),
)  # fmt: skip

odd_numbers = st.one_of(
    st.integers().map(str),
    st.integers(10**10, 10**12).map(str),
    st.integers(253402300799000, 253402300801000).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(0, 3e14).map(repr),
    st.sampled_from(
        [
            "-0", "-0.0", "0", "0.0", "1e3", "1E+3", "1e-400", "1e400", "-1e400", "01", "+1", ".5",
            "1.", "1e", "NaN", "Infinity", "-Infinity", "0x1", "1_0", "99999999999", "1e11",
            "99999999999.9999", "1694479551.9999999999", "1694479551.0005", "9223372036854775808",
            "18446744073709551616", "-9223372036854775809", "9" * 400, "9" * 5000,
            "1694479551." + "0" * 400 + "1",
        ]
    ),
)  # fmt: skip

numeric_strings = st.one_of(
    digits,
    st.tuples(digits, digits).map(".".join),
    st.sampled_from(
        [
            "1e9", "+5", " 5 ", "5 ", "5\n", "-5", ".5", "5.", "", "1.2.3", "\u0661\u0662",
            "\uff11", "1_000", "0x10", "NaN", "Infinity", "0" * 1024, "0" * 1025, "9" * 1024,
            "1." + "9" * 1022, "00001694479551", "1694479551.1239999", "99999999999.999999",
            "253402300799999.9999", "253402300800000", "0.0009999",
        ]
    ),
)  # fmt: skip

long_strings = st.one_of(
    st.sampled_from([1023, 1024, 1025, 2000]).flatmap(
        lambda length: st.sampled_from(["a", "é", "\U0001f600", "\u0000"]).map(lambda c: c * length)
    )
)


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


deep = st.one_of(
    st.integers(1, 60).map(_nested),
    st.integers(1, 60).map(lambda depth: '{"a":' * depth + "1" + "}" * depth),
    st.sampled_from([20_000, 200_000]).map(_nested),
)


def _as_json(value: Any) -> st.SearchStrategy[str]:
    return st.booleans().map(lambda ascii_only: json.dumps(value, ensure_ascii=ascii_only))


def _escaped(text: str) -> str:
    return '"' + "".join(f"\\u{unit:04x}" for unit in _utf16_units(text)) + '"'


def _utf16_units(text: str) -> list[int]:
    raw = text.encode("utf-16-be", "surrogatepass")
    return [raw[i] << 8 | raw[i + 1] for i in range(0, len(raw), 2)]


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=4,
).flatmap(_as_json)

broken_json = st.sampled_from(
    ["", "tru", "'x'", '"', '"\\x"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud800\\u0041"', '"\t"',
     '"\\u12"', "[1,]", "{,}", '{"a"}', "{1:2}", "nul", "[", "}", '"\\ud83d\\ude00"',
     '{"a":"\\ud800"}', '{"\\udfff":1}', "// c", '["\\udead"]']
)  # fmt: skip


def _usual(name: str) -> st.SearchStrategy[str]:
    return _as_json(EVENT[name])


def _near(name: str) -> st.SearchStrategy[str]:
    if name == "ip":
        return odd_addresses.flatmap(_as_json)
    if name == "timestamp":
        return odd_numbers | numeric_strings.flatmap(_as_json) | odd_numbers.map(lambda n: f'"{n}"')
    if name == "app_version":
        return st.sampled_from(["2.3.0 ", "2.3.1", "2.3", "\uff12.3.0"]).flatmap(_as_json)
    return (any_text | long_strings).flatmap(_as_json)


anything = st.one_of(
    any_json, odd_numbers, broken_json, deep, long_strings.flatmap(_as_json),
    any_text.map(_escaped), st.sampled_from(["null", '""', '" "', "true", "false", "[]", "{}"]),
)  # fmt: skip


FIRST_TOO_LARGE = 2**1024 - 2**970
"""From here on integers are rounded to no double."""

huge_numbers = st.one_of(
    st.integers(-3, 3).map(lambda away: str(FIRST_TOO_LARGE + away)),
    st.integers(-3, 3).map(lambda away: f"{FIRST_TOO_LARGE + away}.0"),
    st.integers(-3, 3).map(lambda away: f"{FIRST_TOO_LARGE + away}0e-1"),
    st.tuples(st.integers(1, 9), st.integers(305, 330)).map(lambda n: str(n[0]) * n[1]),
    st.tuples(st.integers(1, 10**20), st.integers(280, 320)).map(lambda n: f"{n[0]}e{n[1]}"),
    st.tuples(st.integers(1, 10**20), st.integers(280, 320)).map(lambda n: f"0.{n[0]}E+{n[1]}"),
    st.sampled_from(
        ["9" * 4299, "9" * 4300, "9" * 4301, "1" + "0" * 400 + "e-399", "9" * 400 + ".5",
         "0." + "0" * 400 + "1", "0." + "0" * 400 + "1e410", "1e" + "0" * 400 + "5",
         "1e-" + "9" * 400, "0e" + "9" * 400, "5." + "9" * 400, "5e+" + "0" * 308]
    ),
).flatmap(lambda number: st.sampled_from([number, f"-{number}"]))  # fmt: skip

texts_like_numbers = st.tuples(
    st.text('\\":,[{ n', max_size=6), st.integers(300, 320), st.text('\\":,]} ', max_size=6)
).map(lambda parts: json.dumps(f"{parts[0]}{'9' * parts[1]}{parts[2]}"))


@st.composite
def events_with_huge_numbers(draw: Callable[..., Any]) -> bytes:
    """Of any version; numbers about the largest double in any field, and text that has them."""
    fields = [(name, json.dumps(value)) for name, value in EVENT.items() if name != "app_version"]
    fields.append(("app_version", draw(st.sampled_from(['"2.3.0"', '"1"']))))
    place = st.sampled_from(["timestamp", "timestamp", "extra", "locale", "user_id"])
    shape = st.sampled_from(["{}", "{}", "{}", "[{}]", '{{"a": [1, {}]}}', '{{"{{": {}, "{{": 1}}'])
    for _ in range(draw(st.integers(1, 3))):
        value = draw(shape).format(draw(huge_numbers | texts_like_numbers))
        fields.insert(draw(st.integers(0, len(fields))), (draw(place), value))
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields) + "}").encode()


def _field(name: str, value: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(st.sampled_from([json.dumps(name), json.dumps(name), _escaped(name)]), value)


unlisted_field = st.tuples(
    st.sampled_from(["extra", "USER_ID", "ip ", "", "key_id", "message_id", "é"]).map(json.dumps)
    | any_text.map(lambda name: json.dumps(name, ensure_ascii=False)),
    any_json | broken_json | odd_numbers | deep,
)

whitespace = st.sampled_from(["", " ", "\n\t ", "\r"])


@st.composite
def json_text(draw: Callable[..., Any]) -> str:
    """An event with up to three fields that are near to right, one that is anything, or doubled."""
    near = draw(st.sets(st.sampled_from(FIELDS), max_size=3))
    fields = [draw(_field(name, _near(name) if name in near else _usual(name))) for name in FIELDS]
    oddity = draw(st.integers(0, 9))
    if oddity < 3:
        place = draw(st.integers(0, len(FIELDS) - 1))
        fields[place] = draw(_field(FIELDS[place], anything))
    elif oddity == 3:
        del fields[draw(st.integers(0, len(FIELDS) - 1))]
    elif oddity == 4:
        fields.append(draw(unlisted_field))
    elif oddity == 5:
        again = draw(st.sampled_from(FIELDS))
        fields.append(draw(_field(again, _near(again) | anything)))
    fields = draw(st.permutations(fields))
    members = ",".join(f"{name}:{value}" for name, value in fields)
    return f"{draw(whitespace)}{{{members}}}{draw(whitespace)}"


broken_utf_8 = st.binary(min_size=1, max_size=3) | st.sampled_from(
    [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff"]
)
trailing = st.sampled_from([b"}", b"x", b"\0", b" {}", b",", b"\x0c", b"\xc2\xa0"])


@st.composite
def events(draw: Callable[..., Any]) -> bytes:
    """The bytes of an event, now and then damaged as bytes."""
    text: str = draw(json_text())
    value = text.encode("utf-8", "surrogatepass")
    place: int = draw(st.integers(0, len(value)))
    inserted: bytes = draw(broken_utf_8)
    appended: bytes = draw(trailing)
    damages = [
        b"\xef\xbb\xbf" + value,
        value[:place],
        value[:place] + inserted + value[place:],
        value + appended,
        value.decode("utf-8", "replace").encode("utf-16"),
        b"[" + value + b"]",
    ]
    damage: int = draw(st.integers(0, 60))
    return damages[damage] if damage < len(damages) else value
