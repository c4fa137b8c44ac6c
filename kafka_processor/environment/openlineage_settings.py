"""Whether OpenLineage's own settings ask for lineage; what else they say is for its client."""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from kafka_processor.errors import SettingsError
from kafka_processor.settings.trusted_files import NotTrusted, read_trusted, shown, trusted_users

CONFIG_NAME: Final = "openlineage.yml"


def is_lineage_wanted(given: Mapping[str, str]) -> bool:
    """Raises SettingsError for a named file that does not exist, and for a file that other users
    can write to: it may name code for the client to load."""
    if given.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    named = given.get("OPENLINEAGE_CONFIG", "").strip()
    if named and not os.path.isfile(named):  # noqa: PTH113  # which does not raise, as below
        raise SettingsError([f"OPENLINEAGE_CONFIG: {named!r} is not allowed; a file that exists"])
    found = [path for path in _places() if os.path.isfile(path)]  # noqa: PTH113
    if named:
        _demand_trust(Path(named))
    elif found:  # the client reads the first one
        _demand_trust(found[0], trusted_users())
    return any(map(_names_a_transport, given)) or bool(named) or bool(found)


def _names_a_transport(name: str) -> bool:
    return name == "OPENLINEAGE_URL" or name.startswith("OPENLINEAGE__TRANSPORT__")


def _places() -> list[Path]:
    """Where the client looks for its file."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # which does not raise without a home
    places = [home / ".openlineage"]
    with suppress(FileNotFoundError):  # the working folder was deleted
        places.insert(0, Path.cwd())
    return [place / CONFIG_NAME for place in places]


def _demand_trust(path: Path, owners: Collection[int] = ()) -> None:
    try:
        read_trusted(path, owners)
    except NotTrusted as why:
        raise SettingsError([f"{shown(path)} {why}; or set OPENLINEAGE_DISABLED=true"]) from None
    except OSError as error:
        raise SettingsError([f"{shown(path)} cannot be read ({error.strerror})"]) from None
