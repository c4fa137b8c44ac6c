"""Sphinx's configuration of the documentation site. `make docs` builds it."""

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent / "kafka_processor" / "__init__.py"
_VERSION = re.search(r'^__version__ = "(.+)"$', _PACKAGE.read_text("utf-8"), re.MULTILINE)

project = "kafka_processor"
author = "the kafka_processor authors"
release = _VERSION[1] if _VERSION else ""
version = release
project_copyright = author

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}

# `page.md#heading` is checked, with the anchors that GitHub makes of headings.
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"kafka_processor {release}"
html_favicon = "../kafka_processor/dashboard/static/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
