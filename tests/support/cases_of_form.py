"""Cases about the form of a message: parsing, presence and types of its fields."""

import json
import random
from typing import Any, Final

from tests.support.cases import (
    ABSENT,
    ANY_ERROR,
    FIELDS,
    Case,
    encoded,
    failed,
    filtered,
    login,
    processed,
    spelled,
    unparsable,
)

TEXT_FIELDS: Final = tuple(name for name in FIELDS if name != "timestamp")
DEEP: Final = 100_000


def parse_cases() -> list[Case]:
    good = encoded(login())
    text = good.decode()
    return [
        unparsable("null value", None),
        unparsable("empty value", b""),
        unparsable("blank value", b"  \n"),
        unparsable("plain text", b"user 17 logged in"),
        unparsable("JSON null", b"null"),
        unparsable("JSON true", b"true"),
        unparsable("JSON number", b"17"),
        unparsable("JSON string", b'"login"'),
        unparsable("JSON empty array", b"[]"),
        unparsable("event in an array", b"[" + good + b"]"),
        unparsable("event in a string", json.dumps(text).encode()),
        unparsable("two events", good + good),
        unparsable("two lines", good + b"\n" + encoded(login())),
        unparsable("text after it", good + b" x"),
        unparsable("zero byte after it", good + b"\0"),
        unparsable("zero byte before it", b"\0" + good),
        unparsable("byte-order mark", b"\xef\xbb\xbf" + good),
        unparsable("UTF-16", text.encode("utf-16-le")),
        unparsable("UTF-16 with mark", text.encode("utf-16")),
        unparsable("UTF-32", text.encode("utf-32-be")),
        unparsable("confluent wire format", b"\0\0\0\0\1" + good),
        unparsable("gzip", bytes.fromhex("1f8b080000000000000303000000000000000000")),
        unparsable("random bytes", random.Random(1).randbytes(300)),
        unparsable("all bytes", bytes(range(256))),
        unparsable("terminal codes", b"\x1b[2J\x1b[31mred\x07"),
        unparsable("comma at the end", good[:-1] + b",}"),
        unparsable("single quotes", text.replace('"', "'").encode()),
        unparsable("comment", b"/* a */" + good),
        unparsable("name without quotes", b'{user_id: "a"}'),
        unparsable("name that is a number", b'{1: "a"}'),
        unparsable("no colon", b'{"user_id" "a"}'),
        unparsable("nested arrays", b"[" * DEEP),
        unparsable("nested objects", b'{"a":' * DEEP),
        unparsable(
            "nested closed in an unknown field",
            good[:-1] + b', "x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        ),
        unparsable(
            "nested closed in a field",
            b'{"user_id": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
        ),
        *(unparsable(f"cut after {at}", good[:at]) for at in range(1, len(good), 23)),
        *_bad_bytes(),
        *_bad_spellings(),
        *_good_spellings(),
    ]


def _bad_bytes() -> list[Case]:
    """Bytes that are no UTF-8, in a value; in a field that is dropped they may be read over."""
    sequences = {
        "lone byte": b"\xff",
        "latin-1": b"M\xfcller",
        "overlong": b"\xc0\x80",
        "surrogate": b"\xed\xa0\x80",
        "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
        "beyond Unicode": b"\xf4\x90\x80\x80",
        "cut": b"\xe2\x82",
    }
    cases = []
    for name, sequence in sequences.items():
        good = encoded(login())
        for place, old, new in (
            ("user_id", b'"user-', b'"' + sequence + b"user-"),
            ("device_id", b'"593-', b'"593-' + sequence),
        ):
            cases.append(unparsable(f"{name} in {place}", good.replace(old, new, 1)))
    return cases


def _bad_spellings() -> list[Case]:
    pieces = {
        "NaN": "NaN",
        "Infinity": "Infinity",
        "-Infinity": "-Infinity",
        "leading zero": "01694479551",
        "plus sign": "+1694479551",
        "no fraction": "1694479551.",
        "no whole part": ".5",
        "no exponent": "1e",
        "hexadecimal": "0x10",
        "underscores": "1_000",
        "word": "now",
        "capital literal": "True",
        "raw line break": '"16\n94"',
        "raw zero": '"16\x0094"',
        "raw control code": '"16\x1f94"',
        "unknown escape": r'"\x41"',
        "short escape": r'"\u12"',
        "high surrogate": r'"\ud800"',
        "low surrogate": r'"\udc00"',
        "surrogates in wrong order": r'"\ude00\ud83d"',
        "high surrogate before text": r'"\ud83dabc"',
        "surrogate before an escape": r'"\ud83d\u0041"',
    }
    cases = []
    for name, piece in pieces.items():
        cases.append(spelled(f"{name} as timestamp", "1694479551", piece))
        cases.append(spelled(f"{name} in a dropped field", "1694479551", f'1, "x": {piece}'))
        cases.append(
            spelled(f"{name} deep in a dropped field", "1694479551", f'1, "x": [{{"y": {piece}}}]')
        )
    cases.append(spelled("lone surrogate in a name", '"user_id"', r'"x\ud800": 1, "user_id"'))
    cases.append(spelled("lone surrogate in user_id", '"user-', r'"\udfffuser-'))
    return cases


def _good_spellings() -> list[Case]:
    event = login()
    spaced = ("\r\n\t " + json.dumps(event, indent=4) + " \n").encode()
    shuffled = dict(sorted(login().items()))
    many = login(**{f"x{number}": {"a": [number]} for number in range(300)})
    twice = json.dumps(login())[:-1]
    first_bad = login(user_id="twice-2")
    last_bad = login(ip=None)
    return [
        Case("white space", spaced, "processed", event),
        Case(
            "other order", encoded(shuffled), "processed", shuffled),
        Case("300 dropped fields", encoded(many), "processed", many),
        processed("nested dropped field", x={"user_id": 5, "ip": [None, {"a": "b" * 5000}]}),
        processed("dropped fields in other case", User_id="x", IP="1.2.3.4", USER_ID=None),
        processed("empty name", **{"": 1}),
        processed("user_id with zero byte", user_id="a\0b"),
        processed("user_id with terminal codes", user_id="\x1b[2J\x07\r\nuser"),
        processed("user_id with emoji", user_id="\U0001f600"),
        processed("user_id with noncharacters", user_id="\ufffe\uffff\u202e\u2028"),
        processed("user_id with quotes", user_id='"\\/{}[],:'),
        processed("user_id blank", user_id=" "),
        processed("locale blank", locale="\t"),
        processed("device_type blank", device_type=" "),
        processed("device_id blank", device_id=" "),
        processed("device_id in any script", device_id="ид-端末-\U0001f4f1\0"),
        spelled("escaped emoji", '"RU"', r'"\ud83d\ude00"', "processed", locale="\U0001f600"),
        spelled("escaped name", '"user_id"', r'"\u0075ser\u005fid"', "processed"),
        spelled("escaped slash", '"RU"', r'"R\/U"', "processed", locale="R/U"),
        Case(
            "user_id twice", encoded(first_bad).replace(b"{", b'{"user_id": "twice-1",', 1),
            "processed", first_bad),
        Case(
            "user_id first of wrong type",
            encoded(event).replace(b"{", b'{"user_id": [1],', 1),
            "processed", event),
        Case(
            "timestamp first no number",
            encoded(event).replace(b"{", b'{"timestamp": "soon",', 1),
            "processed", event),
        Case(
            "ip twice, null at last",
            encoded({**last_bad, "ip": "93.184.216.34"})[:-1] + b', "ip": null}',
            "missing_field", last_bad, ("ip",),
        ),
        Case(
            "locale twice, second name escaped",
            (twice + r', "\u006cocale": 5}').encode(),
            "invalid_field", None, ("locale",),
        ),
        Case("number that no double holds", twice.encode() + b', "timestamp": 1e400}', ANY_ERROR),
        Case(
            "negative number that no double holds",
            twice.encode() + b', "timestamp": -1e400}', ANY_ERROR,
        ),
        Case(
            "integer that no double holds",
            twice.encode() + b', "timestamp": 1' + b"0" * 400 + b"}", ANY_ERROR,
        ),
        Case(
            "numeric string that no double holds",
            twice.encode() + b', "timestamp": "1' + b"0" * 400 + b'"}', ANY_ERROR,
        ),
        *_too_large_numbers_elsewhere(),
        Case(
            "integer of 5000 digits",
            twice.encode() + b', "timestamp": 1' + b"0" * 5000 + b"}", ANY_ERROR,
        ),
    ]  # fmt: skip


def _too_large_numbers_elsewhere() -> list[Case]:
    """Where the event would be filtered, and where another value counts."""
    return [
        *(
            Case(
                f"filtered but for {number[:2]}, {len(number)} long",
                encoded(login(app_version="1.0"))[:-1] + f', "timestamp": {number}}}'.encode(),
                ANY_ERROR,
            )
            for number in ("1" + "0" * 309, "-" + "9" * 309, "9" * 4300, "1e400", "-1e400")
        ),
        *(
            Case(
                f"number that no double holds {where}",
                text.encode() + encoded(login())[1:],
                ANY_ERROR,
            )
            for where, text in {
                "before another timestamp": '{"timestamp": ' + "9" * 309 + ", ",
                "before another ip": '{"ip": 1e400, ',
            }.items()
        ),
        processed("309 digits in a text", device_type='\\": ' + "9" * 309 + '\\"'),
        processed("309 digits in a dropped text", x='\\": ' + "9" * 309),
        spelled("309 digits of a fraction", "1694479551", "1694479551." + "0" * 309, "processed"),
    ]


def field_cases() -> list[Case]:
    return [*_missing(), *_invalid(), *_lengths(), *_versions()]


def _missing() -> list[Case]:
    cases = [Case("empty object", b"{}", "missing_field", {}, FIELDS)]
    cases.append(Case("only dropped fields", b'{"x": 1}', "missing_field", {"x": 1}, FIELDS))
    for name in FIELDS:
        for word, value in (("absent", ABSENT), ("null", None), ("empty", "")):
            cases.append(failed(f"{name} {word}", "missing_field", name, **{name: value}))
    for bits in range(1, 2 ** len(FIELDS)):
        named = tuple(name for at, name in enumerate(FIELDS) if bits >> at & 1)
        if len(named) > 1:
            changes = {name: (ABSENT, None, "")[(bits + at) % 3] for at, name in enumerate(named)}
            cases.append(failed(f"missing {bits:07b}", "missing_field", *named, **changes))
    cases += [
        failed("missing and invalid", "missing_field", "locale", user_id=5, locale=None),
        failed("missing and filtered", "missing_field", "ip", ip="", app_version="1.0.0"),
        failed("missing and no address", "missing_field", "timestamp", ip="x", timestamp=None),
        failed("missing, user_id too long", "missing_field", "ip", user_id="u" * 1025, ip=None),
    ]
    return cases


def _invalid() -> list[Case]:
    wrong: list[Any] = [7, 1.5, True, False, 0, [], ["leaked-value"], {}, {"v4": "93.184.216.34"}]
    cases = [
        failed(f"{name} {json.dumps(value)}", "invalid_field", name, **{name: value})
        for name in TEXT_FIELDS
        for value in wrong
    ]
    cases += [
        failed(f"timestamp {json.dumps(value)}", "invalid_field", "timestamp", timestamp=value)
        for value in (True, False, [], [TIMESTAMP_IN_LIST], {}, {"seconds": 1})
    ]
    cases += [
        failed(f"timestamp text {text!a}", "invalid_field", "timestamp", timestamp=text)
        for text in NO_NUMBERS
    ]
    for bits in range(1, 2 ** len(FIELDS)):
        named = tuple(name for at, name in enumerate(FIELDS) if bits >> at & 1)
        if len(named) > 1:
            changes = {name: wrong[(bits + at) % len(wrong)] for at, name in enumerate(named)}
            if "timestamp" in changes:
                changes["timestamp"] = ("yesterday", True, [1])[bits % 3]
            cases.append(failed(f"invalid {bits:07b}", "invalid_field", *named, **changes))
    cases += [
        failed("invalid and filtered", "invalid_field", "ip", ip=5, app_version="1.0.0"),
        failed("invalid and no address", "invalid_field", "locale", ip="nowhere", locale=5),
        failed("number as device_id", "invalid_field", "device_id", device_id=593475928123),
    ]
    return cases


TIMESTAMP_IN_LIST: Final = 1694479551
NO_NUMBERS: Final = (
    "yesterday", "1e9", "1E9", "+5", "-5", " 5 ", "5 ", " 5", "5\n", "\t5", " ", ".5", "5.", ".",
    "1.2.3", "1,5", "1,000", "1_000", "0x10", "NaN", "nan", "inf", "Infinity", "true", "5s", "5\0",
    "2024-07-10T02:00:25Z", "\u0661\u0662\u0663", "\uff11\uff12\uff13", "\u00b2", "\u0967",
    "1\u0660", "5.\u0665", "5.5.", "--5", "5e", "\u22125", "\ufeff5", "5\u00a0", "1694479551.5x",
)  # fmt: skip


def _lengths() -> list[Case]:
    cases = []
    # Another character for each field: what is copied from one to another is seen.
    letters = dict(zip(TEXT_FIELDS, "abcdef", strict=True))
    emoji = {name: chr(0x1F600 + number) for number, name in enumerate(TEXT_FIELDS)}
    for name in TEXT_FIELDS:
        for word, unit in (("letters", letters[name]), ("emoji", emoji[name])):
            at_limit = {name: unit * 1024}
            if name == "app_version":
                cases.append(filtered(f"{name} of 1024 {word}", **at_limit))
            elif name == "ip":
                cases.append(failed(f"ip of 1024 {word}", "transform_error", "ip", **at_limit))
            else:
                cases.append(processed(f"{name} of 1024 {word}", **at_limit))
            over = {name: unit * 1025}
            cases.append(failed(f"{name} of 1025 {word}", "invalid_field", name, **over))
    cases += [
        processed("timestamp of 1024 digits", timestamp="1694479551".zfill(1024)),
        failed(
            "timestamp of 1025 digits",
            "invalid_field",
            "timestamp",
            timestamp="1694479551".zfill(1025),
        ),
        failed(
            "everything too long", "invalid_field", *FIELDS, **dict.fromkeys(FIELDS, "9" * 1025)
        ),
        failed("locale of 500,000 letters", "invalid_field", "locale", locale="x" * 500_000),
        filtered("filtered with all at the limit", **{n: emoji[n] * 1024 for n in emoji}),
    ]
    return cases


def _versions() -> list[Case]:
    versions = ("2.3", "2.3.0.0", "2.3.1", "2.4.0", "v2.3.0", "2.3.0-beta", " 2.3.0", "2.3.0 ",
                "2.3.0\n", " ", "2.3.0,", ",", "*", "2\uff0e3.0", "2.3.\u0660")  # fmt: skip
    return [
        *(filtered(f"app_version {version!a}", app_version=version) for version in versions),
        filtered("filtered, no address", app_version="1.0", ip="nowhere"),
        filtered("filtered, IPv6", app_version="1.0", ip="2001:db8:85a3:8d3::1"),
        filtered("filtered, before 1970", app_version="1.0", timestamp=-5),
        filtered("filtered, after 9999", app_version="1.0", timestamp=253402300800000),
        filtered("filtered, fraction", app_version="1.0", timestamp=1694479551.25),
        filtered("filtered, numeric string", app_version="1.0", timestamp="0001694479551.50"),
        filtered("filtered, beyond 2**53", app_version="1.0", timestamp=2**53 + 1),
        filtered("filtered, beyond 2**63", app_version="1.0", timestamp=2**63 + 1),
        filtered("filtered, beyond 2**64", app_version="1.0", timestamp=2**64 + 1),
    ]
