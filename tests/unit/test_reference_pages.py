"""The reference pages are those that the generator writes."""

import pytest

from dev.reference_pages import DOCS, pages


@pytest.mark.parametrize("name", ["commands.md", "settings.md"])
def test_the_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == pages()[name], "run: python -m dev.reference_pages"
