"""Whether OpenLineage's own settings enable lineage; its client reads the rest of them."""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from kafka_processor.errors import SettingsError
from kafka_processor.settings.trusted_files import (
    UntrustedFileError,
    read_trusted,
    shown,
    trusted_users,
)

CONFIG_NAME: Final = "openlineage.yml"


def is_lineage_enabled(environ: Mapping[str, str]) -> bool:
    """Raises SettingsError for a configuration file that does not exist, and for one that other
    users can write to: it may name code for the client to load."""
    if environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    named = environ.get("OPENLINEAGE_CONFIG", "").strip()
    if named and not os.path.isfile(named):  # noqa: PTH113  # unlike Path.is_file, it never raises
        raise SettingsError(
            [f"OPENLINEAGE_CONFIG: {named!r} is not a file; use the path of openlineage.yml"]
        )
    found = [path for path in _places() if os.path.isfile(path)]  # noqa: PTH113
    if named:
        _require_trusted(Path(named))
    elif found:  # the client reads the first one
        _require_trusted(found[0], trusted_users())
    return any(map(_names_a_transport, environ)) or bool(named) or bool(found)


def _names_a_transport(name: str) -> bool:
    return name == "OPENLINEAGE_URL" or name.startswith("OPENLINEAGE__TRANSPORT__")


def _places() -> list[Path]:
    """Where the client looks for its file, first match first."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home() raises without a home
    places = [home / ".openlineage"]
    with suppress(FileNotFoundError):  # the working folder was deleted
        places.insert(0, Path.cwd())
    return [place / CONFIG_NAME for place in places]


def _require_trusted(path: Path, owners: Collection[int] = ()) -> None:
    try:
        read_trusted(path, owners)
    except UntrustedFileError as error:
        raise SettingsError([f"{shown(path)} {error}; or set OPENLINEAGE_DISABLED=true"]) from None
    except OSError as error:
        raise SettingsError(
            [
                f"{shown(path)} cannot be read ({error.strerror}); correct that, or set "
                "OPENLINEAGE_DISABLED=true"
            ]
        ) from None
