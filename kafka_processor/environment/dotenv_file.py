"""Parses `.env` files strictly: a line that python-dotenv would ignore is an error."""

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
    """Returns the variables and a list of problems, which never contain a value.

    `settings`: names of our settings; an unclosed quote must not swallow the line of one.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return {}, [f"line {_line(content[: error.start].decode())}: not UTF-8 text"]
    for character, what in ((_BYTE_ORDER_MARK, "a byte-order mark"), ("\0", "a null character")):
        if character in text:
            return {}, [f"line {_line(text[: text.index(character)])}: contains {what}"]
    variables: dict[str, str] = {}
    problems: list[str] = []
    start = 0
    for binding in parse_stream(StringIO(text)):
        original = binding.original.string
        statement = original.lstrip()
        line = _line(text[: start + len(original) - len(statement)])
        start += len(original)
        if problem := _problem(binding, statement, settings):
            problems.append(f"line {line}: {problem}")
        elif binding.key is not None and binding.value is not None:
            variables[binding.key] = binding.value
    return variables, problems


def _problem(binding: Binding, statement: str, settings: Collection[str]) -> str | None:
    if binding.error:
        if _QUOTED.match(statement):
            return "unclosed quote, or text after the closing quote"
        return "expected NAME=value"
    if binding.key is None:  # a comment or the end of the file
        return None
    if binding.value is None or not _NAME.fullmatch(binding.key):
        return "expected NAME=value"
    for later in _LINE_END.split(statement)[1:]:
        name = _NAME_IN_FRONT.match(later)
        if name and name[1] in settings:
            return f"unclosed quote, which would swallow {name[1]}"
    return None


def _line(before: str) -> int:
    """Returns the number of the line that follows this text."""
    return len(_LINE_END.findall(before)) + 1
