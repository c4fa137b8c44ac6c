"""Messages that are made to be slow to read, each of about as many bytes as asked for."""

import json
from collections.abc import Callable, Iterator
from typing import Final

_EVENT: Final = {
    "user_id": "424cdd21-063a-43a7-b91b-7ca1a833afae",
    "app_version": "2.3.0",
    "device_type": "android",
    "ip": "199.172.111.135",
    "locale": "RU",
    "device_id": "593-47-5928",
    "timestamp": 1694479551,
}

_REPEATED: Final = {
    "1e308": b"1e308,",
    "numbers at the largest double": b"1.7976931348623157e308,",
    "1e-308": b"1e-308,",
    "halfway between two doubles": b"9007199254740993.0000000000000000001e0,",
    "1e23": b"1e23,",
    "zeros": b"0,",
    "integers of 64 bits": b"18446744073709551615,",
    "integers of 300 digits": b"9" * 300 + b",",
    "integers of 200 digits, a large exponent": b"9" * 200 + b",1e300,",
    "fractions of 800 digits": b"0." + b"123456789" * 89 + b",",
    "huge exponents": b"0e" + b"9" * 40 + b",",
    "empty arrays": b"[],",
    "arrays in arrays": b"[[[[[[[[[[]]]]]]]]]],",
    "empty objects": b"{},",
    "objects": b'{"a":0},',
    "objects in objects": b'{"a":{"b":{"c":{"d":{}}}}},',
    "empty strings": b'"",',
    "escaped strings": rb'"\u0041\\\"\ud83d\ude00",',
    "names of listed fields": b'"ip",',
    "true": b"true,",
}
"""Elements of an array."""


def shapes() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """What each is, and the message of a size."""
    for what, element in _REPEATED.items():
        yield f"unlisted array: {what}", _array("x", element)
        yield f"array as timestamp: {what}", _array("timestamp", element)
        yield (
            f"array as ip, ip given twice: {what}",
            _array("ip", element, again=b',"ip":"1.2.3.4"'),
        )
    for what, text in {
        "long": b"a",
        "escapes of letters": rb"\u0041",
        "escapes of half an emoji each": rb"\ud83d\ude00",
        "backslashes": rb"\\",
        "quotes": rb"\"",
        "a lone surrogate at its end": None,
        "emojis": "\U0001f600".encode(),
        "bytes that are not UTF-8": b"\xff",
        "digits": b"9",
        "exponents": b"9e999",
        "the letter e": b"e",
        "NUL escapes": rb"\u0000",
    }.items():
        for name in ("x", "ip", "timestamp"):
            yield f"string as {name}: {what}", _string(name, text)
    for what, digits in {
        "an integer": b"9",
        "a fraction": b"9." + b"1",
        "a fraction of zeros": b"0." + b"0",
        "an exponent": b"1e" + b"0",
        "a negative exponent": b"1e-" + b"9",
    }.items():
        for name in ("x", "ip", "timestamp"):
            yield f"number as {name}: {what} without end", _number(name, digits)
    for what, opened, closed in (
        ("arrays", b"[", b"]"),
        ("objects", b'{"a":', b"}"),
        ("named like listed fields", b'{"ip":', b"}"),
    ):
        yield f"nested and closed: {what}", _nested(b'{"x":', opened, closed)
        yield f"nested and not closed: {what}", _nested(b'{"x":', opened, b"")
        yield f"nested in a listed field: {what}", _nested(b'{"ip":', opened, closed)
        yield f"nested at the top: {what}", _nested(b"", opened, closed)
    for what, field in {
        "timestamp with 1e308": b'"timestamp":1e308,',
        "timestamp with 1e400": b'"timestamp":1e400,',
        "timestamp with text": b'"timestamp":"1",',
        "ip": b'"ip":"1.2.3.4",',
        "ip, of wrong type": b'"ip":0,',
        "ip, as array": b'"ip":[],',
        "ip, escaped": rb'"\u0069\u0070":"",',
        "one unlisted name": b'"x":0,',
        "empty names": b'"":0,',
        "long names": b'"' + b"x" * 10_000 + b'":0,',
        "long names with escapes": b'"' + rb"\u0078" * 2_000 + b'":0,',
        "names that begin like a listed one": b'"device_id_":0,',
    }.items():
        yield f"field again and again: {what}", _fields(field)
    yield "ip given twice, the first with numbers that all differ", _many_numbers
    yield "unlisted names, each another", _many_names
    yield "white space", lambda size: b"{" + b" \n\t\r" * (size // 4) + _tail()
    yield "array at the top", lambda size: b"[" + b"1e308," * (size // 6) + b"0]"
    yield "number at the top", lambda size: b"9" * size
    yield "string at the top", lambda size: b'"' + b"a" * size + b'"'
    yield "quotes at the top", lambda size: b'"' * size
    yield "not JSON", lambda size: b"\x00" * size


def _tail() -> bytes:
    return json.dumps(_EVENT).encode()[1:]


def _without(name: str) -> bytes:
    return json.dumps({n: v for n, v in _EVENT.items() if n != name}).encode()[1:]


def _array(name: str, element: bytes, again: bytes = b"") -> Callable[[int], bytes]:
    def build(size: int) -> bytes:
        elements = element * (size // len(element))
        return f'{{"{name}":['.encode() + elements[:-1] + b"]" + again + b"," + _without(name)

    return build


def _string(name: str, text: bytes | None) -> Callable[[int], bytes]:
    def build(size: int) -> bytes:
        content = b"a" * size + rb"\ud800" if text is None else text * (size // len(text))
        return f'{{"{name}":"'.encode() + content + b'",' + _without(name)

    return build


def _number(name: str, text: bytes) -> Callable[[int], bytes]:
    def build(size: int) -> bytes:
        return f'{{"{name}":'.encode() + text + text[-1:] * size + b"," + _without(name)

    return build


def _nested(start: bytes, opened: bytes, closed: bytes) -> Callable[[int], bytes]:
    def build(size: int) -> bytes:
        depth = size // len(opened + closed)
        end = b"0" + closed * depth if closed else b""
        return start + opened * depth + end + (b"," + _tail() if start and closed else b"")

    return build


def _fields(field: bytes) -> Callable[[int], bytes]:
    return lambda size: b"{" + field * (size // len(field)) + _tail()


def _many_names(size: int) -> bytes:
    return b"{" + b"".join(b'"%x":0,' % number for number in range(size // 9)) + _tail()


def _many_numbers(size: int) -> bytes:
    numbers = b"".join(b"1.%de308," % number for number in range(size // 12))
    return b'{"ip":[' + numbers + b'0],"ip":"1.2.3.4",' + _without("ip")
