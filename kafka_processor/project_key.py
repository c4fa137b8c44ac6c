"""The key to use: the one given, or in a source checkout the project's own."""

from structlog.typing import FilteringBoundLogger

from kafka_processor.config import IS_SOURCE_CHECKOUT, PROJECT_FOLDER, Settings, SettingsError
from kafka_processor.device_key import PROJECT_KEY_FILE, create_key_file, read_key_file

PROJECT_KEY_PATH = PROJECT_FOLDER / PROJECT_KEY_FILE


def find_key(settings: Settings, log: FilteringBoundLogger) -> bytes:
    """The key of the pseudonyms; makes the project's own at the first start.

    Raises SettingsError if there is none, or the file holds none.
    """
    if settings.key:
        return settings.key
    if not IS_SOURCE_CHECKOUT:
        raise SettingsError(["DEVICE_ID_KEY: not set; set it or DEVICE_ID_KEY_FILE"])
    try:
        if not PROJECT_KEY_PATH.exists() and create_key_file(PROJECT_KEY_PATH):
            log.warning(
                "made a new key for the device pseudonyms; other machines need the same",
                file=str(PROJECT_KEY_PATH),
            )
        return read_key_file(str(PROJECT_KEY_PATH))
    except ValueError as error:
        raise SettingsError([f"DEVICE_ID_KEY_FILE: {PROJECT_KEY_PATH}: {error}"]) from None
    except OSError as error:
        raise SettingsError(
            [f"DEVICE_ID_KEY: not set, and {PROJECT_KEY_PATH} cannot be made ({error.strerror})"]
        ) from None
