"""What a `.env` file says. A line that would be passed over in silence is an error."""

import re
from collections.abc import Collection
from io import StringIO
from typing import Final

from dotenv.parser import Binding, parse_stream

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NAME_IN_FRONT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")
_QUOTED: Final = re.compile(r"[^\r\n=]*=[^\S\r\n]*['\"]")
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = "\ufeff"


def parse_dotenv(content: bytes, settings: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """The variables, and one line for each thing wrong; no line holds a value.

    `settings`: names that no value may swallow because a quote is left open above them.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return {}, [f"line {_line(content[: error.start].decode())} is not UTF-8 text"]
    for character, what in ((_BYTE_ORDER_MARK, "a byte-order mark"), ("\0", "a null character")):
        if character in text:
            return {}, [f"line {_line(text[: text.index(character)])} has {what} in it"]
    variables: dict[str, str] = {}
    problems: list[str] = []
    start = 0
    for binding in parse_stream(StringIO(text)):
        original = binding.original.string
        statement = original.lstrip()
        line = _line(text[: start + len(original) - len(statement)])
        start += len(original)
        if problem := _problem(binding, statement, settings):
            problems.append(f"line {line} {problem}")
        elif binding.key is not None and binding.value is not None:
            variables[binding.key] = binding.value
    return variables, problems


def _problem(binding: Binding, statement: str, settings: Collection[str]) -> str | None:
    if binding.error:
        if _QUOTED.match(statement):
            return "has a quote that is not closed, or text behind one"
        return "is not NAME=value"
    if binding.key is None:  # a comment, or the end
        return None
    if binding.value is None or not _NAME.fullmatch(binding.key):
        return "is not NAME=value"
    for later in _LINE_END.split(statement)[1:]:
        name = _NAME_IN_FRONT.match(later)
        if name and name[1] in settings:
            return f"has a quote that is closed only behind {name[1]}"
    return None


def _line(before: str) -> int:
    """The number of the line that comes after this text."""
    return len(_LINE_END.findall(before)) + 1
