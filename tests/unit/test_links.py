"""Relative links between Markdown files lead somewhere, also those outside the site."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.program import PROJECT_FOLDER

PAGES = sorted(
    [
        *PROJECT_FOLDER.glob("*.md"),
        *PROJECT_FOLDER.glob("docs/**/*.md"),
        *PROJECT_FOLDER.glob(".github/**/*.md"),
    ]
)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
EXTERNAL = ("https://", "http://", "mailto:")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: lower case, no punctuation, `-1` for a repeated one."""
    names = []
    for heading in re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        names.append(re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-"))
    seen: Counter[str] = Counter()
    found = set()
    for name in names:
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_FOLDER)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
        if link.startswith(EXTERNAL):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken
