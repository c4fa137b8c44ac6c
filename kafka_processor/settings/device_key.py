"""The secret key of the device pseudonyms: its text form, and the project's own key file."""

import binascii
import os
import re
import secrets
import tempfile
from base64 import b64decode
from contextlib import suppress
from pathlib import Path

from kafka_processor.settings.trusted_files import read_trusted

MINIMUM_BYTES = 32
MINIMUM_DIFFERENT_BYTES = 8
"""A random key of 32 bytes has fewer with a probability of 10^-39."""
KEY_FORM = "32 bytes or more as hex or base64"
PROJECT_KEY_FILE = ".device_id.key"


class NotRandomKeyError(ValueError):
    """The key can be guessed, and with it the device id behind every pseudonym."""

    def __init__(self) -> None:
        super().__init__("not a random key; make one, for example with `openssl rand -hex 32`")


def parse_key(text: str) -> bytes:
    """Returns the bytes of the key. Ignores white space around it; hex is tried first.

    Raises ValueError, which does not contain the text, if it is not a key of at least 32 bytes, and
    NotRandomKeyError for a repeated pattern or a phrase.
    """
    text = text.strip()
    if re.fullmatch(r"([0-9a-fA-F]{2})+", text):
        key = bytes.fromhex(text)
    else:
        try:
            key = b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"not {KEY_FORM}") from None
    if len(key) < MINIMUM_BYTES:
        raise ValueError(f"{len(key)} bytes, not {KEY_FORM}")
    is_printable = key.isascii() and key.decode().isprintable()
    if len(set(key)) < MINIMUM_DIFFERENT_BYTES or is_printable:
        raise NotRandomKeyError
    return key


def read_key_file(path: str) -> bytes:
    """Returns the key in a file. Raises OSError if the file cannot be read, ValueError if it does
    not contain a key, UntrustedFileError if other users can write to it."""
    try:
        return parse_key(read_trusted(Path(path).expanduser()).decode("ascii"))
    except UnicodeDecodeError:
        raise ValueError(f"not {KEY_FORM}") from None


def create_key_file(path: Path) -> bool:
    """Writes a new random key, mode 0600, and syncs it; returns False if the file already exists.

    Atomic, also if several processes start at once: the key is written to a temporary file and
    linked into place, which fails if the file exists. Raises OSError if the folder is not writable.
    """
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(MINIMUM_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        Path(draft).unlink()
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    """Makes a new name durable: pseudonyms made under a lost key cannot be joined with others."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
