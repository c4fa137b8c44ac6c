"""Whether OpenLineage's own settings ask for lineage; what else they say is for its client."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kafka_processor.config import SettingsError

CONFIG_NAME: Final = "openlineage.yml"


def is_lineage_wanted(given: Mapping[str, str]) -> bool:
    """Raises SettingsError for a file that is named and not there."""
    if given.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    named = given.get("OPENLINEAGE_CONFIG", "").strip()
    if named and not os.path.isfile(named):  # noqa: PTH113  # which does not raise, as below
        raise SettingsError([f"OPENLINEAGE_CONFIG: {named!r} is not allowed; a file that exists"])
    return any(map(_names_a_transport, given)) or bool(named) or any(map(os.path.isfile, _places()))


def _names_a_transport(name: str) -> bool:
    return name == "OPENLINEAGE_URL" or name.startswith("OPENLINEAGE__TRANSPORT__")


def _places() -> list[Path]:
    """Where the client looks for its file."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # which does not raise without a home
    return [Path.cwd() / CONFIG_NAME, home / ".openlineage" / CONFIG_NAME]
