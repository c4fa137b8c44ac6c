"""The key to use: the one given, or in a source checkout the project's own."""

import os

from structlog.typing import FilteringBoundLogger

from kafka_processor.config import IS_SOURCE_CHECKOUT, PROJECT_FOLDER, Settings
from kafka_processor.errors import SettingsError
from kafka_processor.settings.device_key import PROJECT_KEY_FILE, create_key_file, read_key_file

PROJECT_KEY_PATH = PROJECT_FOLDER / PROJECT_KEY_FILE


def find_key(settings: Settings) -> bytes | None:
    """The key of the pseudonyms, as `project_key` if none is set. Raises SettingsError."""
    return settings.key or project_key()


def project_key() -> bytes | None:
    """The project's own; None if it is to be made at the first start.

    Raises SettingsError if there can be none, or its file holds none.
    """
    if not IS_SOURCE_CHECKOUT:
        raise SettingsError(["DEVICE_ID_KEY: not set; set it or DEVICE_ID_KEY_FILE"])
    if not os.path.lexists(PROJECT_KEY_PATH):  # a link to nothing is no missing file
        return None
    try:
        return read_key_file(str(PROJECT_KEY_PATH))
    except (ValueError, OSError) as error:
        reason = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
        raise SettingsError([f"DEVICE_ID_KEY: not set, and {PROJECT_KEY_PATH} {reason}"]) from None


def find_or_make_key(settings: Settings, log: FilteringBoundLogger) -> bytes:
    """The same, and makes the project's own where it is needed. Raises SettingsError."""
    key = find_key(settings)
    if key:
        return key
    try:
        if create_key_file(PROJECT_KEY_PATH):
            log.warning(
                "made a new key for the device pseudonyms; other machines need the same",
                file=str(PROJECT_KEY_PATH),
            )
    except OSError as error:
        raise SettingsError(
            [f"DEVICE_ID_KEY: not set, and {PROJECT_KEY_PATH} cannot be made ({error.strerror})"]
        ) from None
    return find_or_make_key(settings, log)
