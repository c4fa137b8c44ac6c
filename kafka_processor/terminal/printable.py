r"""Text of others, made safe for a terminal and for a line of a log: one function for all of it.

Record values, header values, commit metadata, names and error texts of a broker are written by
somebody else. An escape sequence in them can rewrite the screen, a line end can forge a log line,
and a change of the writing direction can show one text and mean another.
"""


def printable(text: str, most: int | None = None) -> str:
    r"""Returns the text with all that is not a visible character or a space as `\u001b`.

    That covers control characters (also those from 0x80 on), line ends of all kinds, changes of the
    writing direction, zero-width characters and lone surrogates. The escapes mean the same in JSON.
    A text longer than `most` characters is cut, with `…` at its end.
    """
    if most is not None and len(text) > most:
        return printable(text[:most]) + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
