"""The key to use: the configured one or, in a source checkout, the project's own."""

import os

from structlog.typing import FilteringBoundLogger

from kafka_processor.config import IS_SOURCE_CHECKOUT, PROJECT_FOLDER, Settings
from kafka_processor.errors import SettingsError
from kafka_processor.settings.device_key import PROJECT_KEY_FILE, create_key_file, read_key_file

PROJECT_KEY_PATH = PROJECT_FOLDER / PROJECT_KEY_FILE


def find_key(settings: Settings) -> bytes | None:
    """Returns the configured key, or the project's. None and errors as in `project_key`."""
    return settings.key or project_key()


def project_key() -> bytes | None:
    """Returns the project's own key, or None if the first start has yet to create it.

    Raises SettingsError outside a source checkout, and for a file that does not contain a key.
    """
    if not IS_SOURCE_CHECKOUT:
        raise SettingsError(["DEVICE_ID_KEY: not set; set it or DEVICE_ID_KEY_FILE"])
    if not os.path.lexists(PROJECT_KEY_PATH):  # a dangling link is not a missing file
        return None
    try:
        return read_key_file(str(PROJECT_KEY_PATH))
    except (ValueError, OSError) as error:
        reason = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
        raise SettingsError(
            [f"DEVICE_ID_KEY: not set, and {PROJECT_KEY_PATH} {reason}; set it"]
        ) from None


def find_or_create_key(settings: Settings, log: FilteringBoundLogger) -> bytes:
    """Returns the key, and creates the project's own if it is missing. Raises SettingsError."""
    key = find_key(settings)
    if key:
        return key
    try:
        if create_key_file(PROJECT_KEY_PATH):
            log.warning(
                "created a new key for the device pseudonyms; other machines need the same key",
                file=str(PROJECT_KEY_PATH),
            )
    except OSError as error:
        raise SettingsError(
            [
                f"DEVICE_ID_KEY: not set, and {PROJECT_KEY_PATH} cannot be created "
                f"({error.strerror}); set it"
            ]
        ) from None
    return find_or_create_key(settings, log)
