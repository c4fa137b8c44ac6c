"""The secret key behind the device pseudonyms: its text form, and the project's own key file."""

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
"""A random key of 32 bytes has fewer once in 10^39 times."""
KEY_FORM = "32 bytes or more as hex or base64"
PROJECT_KEY_FILE = ".device_id.key"


class NotRandomKeyError(ValueError):
    """A key that can be guessed, and with it every device id from its pseudonym."""

    def __init__(self) -> None:
        super().__init__("not a random key; make one, for example with `openssl rand -hex 32`")


def parse_key(text: str) -> bytes:
    """The key's bytes; white space around it is ignored, hex is tried first.

    Raises ValueError, without the text in it, if this is no key of at least 32 bytes, and
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
    """The key in a file. Raises OSError if the file cannot be read, ValueError if it holds no key,
    NotTrusted if other users may write it."""
    try:
        return parse_key(read_trusted(Path(path).expanduser()).decode("ascii"))
    except UnicodeDecodeError:
        raise ValueError(f"not {KEY_FORM}") from None


def create_key_file(path: Path) -> bool:
    """Writes a new random key, readable by its owner alone; False if there is a file already.

    The file appears whole or not at all, and of several processes that start at once one wins:
    the key is written beside it and linked into place, which fails where a file exists. It is on
    disk when this returns.
    Raises OSError if the folder cannot be written to.
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
    """A new name in it survives a loss of power: pseudonyms made under a lost key join nothing."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
