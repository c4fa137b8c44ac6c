"""Texts that others wrote, for a page, a terminal or a log; pure."""


def printable(text: str, most: int) -> str:
    """At most `most` characters of a text; what cannot be seen becomes an escape, so that no
    control character, line break or direction of writing comes through."""
    shown = text[:most]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else _escaped(each) for each in shown)
    return f"{shown}…" if len(text) > most else shown


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()
