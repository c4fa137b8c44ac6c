r"""Makes untrusted text safe for a terminal and for a log line.

Record values, header values, commit metadata, names and error texts of a broker are untrusted. In
them an escape sequence can rewrite the screen, a line end can forge a log line, and a change of the
writing direction can display another text than the actual one.
"""


def printable(text: str, most: int | None = None) -> str:
    r"""Escapes everything but visible characters and spaces, as in `\u001b`.

    That covers control characters (including those above 0x80), line ends of all kinds, changes of
    the writing direction, zero-width characters and lone surrogates. The escapes are those of JSON.
    A text longer than `most` characters is cut, and ends with `…`.
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
