"""Collects variables from the environment and `.env`, in the same way for every command."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kafka_processor.config import (
    IS_SOURCE_CHECKOUT,
    PROJECT_FOLDER,
    Settings,
    load_settings,
    rules,
)
from kafka_processor.environment.dotenv_file import parse_dotenv
from kafka_processor.errors import SettingsError
from kafka_processor.settings.trusted_files import (
    UntrustedFileError,
    read_trusted,
    shown,
    trusted_users,
)
from kafka_processor.terminal.endings import print_error

KEY_SETTINGS: Final = ("DEVICE_ID_KEY", "DEVICE_ID_KEY_FILE", "ALLOW_KEY_CHANGE")


def is_no_key(name: str) -> bool:
    """Only the daemon needs the key."""
    return name not in KEY_SETTINGS


def is_connection_or_topic(name: str) -> bool:
    """What is needed to read outputs: the brokers, the topics, and which labels count by name."""
    return name.startswith("KAFKA_") or name.endswith(("_TOPIC", "_LABELS"))


@dataclass(frozen=True)
class Environment:
    values: Mapping[str, str]
    """All variables, including those of other programs."""
    files: Mapping[Path, Mapping[str, str]]
    """The variables of each file that was read."""
    warnings: tuple[str, ...]


def load_command_settings(
    env_file: str | None, is_needed: Callable[[str], bool] = is_no_key
) -> tuple[Settings, Environment]:
    """Loads the settings that a command needs; errors in the others must not prevent it.

    Prints warnings to stderr. `is_needed`: whether a variable is read. Raises SettingsError.
    """
    environment = read_environment(os.environ, env_file)
    for warning in environment.warnings:
        print_error(warning)
    needed = {name: value for name, value in environment.values.items() if is_needed(name)}
    return load_settings(needed), environment


def read_environment(environ: Mapping[str, str], env_file: str | None = None) -> Environment:
    """Merges, in this order of precedence: `environ`, `.env` of the working folder, `.env` of the
    project folder in a source checkout. `env_file` replaces both files.

    Skips a `.env` in the working folder that belongs to another user. Treats an empty value as
    unset, except for METRICS_TOPIC. Raises SettingsError.
    """
    files: dict[Path, Mapping[str, str]] = {}
    warnings: list[str] = []
    if env_file is not None:
        path = Path(env_file)
        files[path] = _read(path, may_be_pipe=True)
    else:
        working, project = _working_file(warnings), _project_file()
        if working:
            files[working] = _read(working, owners=trusted_users())
        if project:
            files[project] = _read(project)
    merged: dict[str, str] = {}
    for source in (*reversed(files.values()), environ):
        for name, value in source.items():
            if value.strip() or name == "METRICS_TOPIC":
                merged[name] = value
    return Environment(merged, files, tuple(warnings))


def _working_file(warnings: list[str]) -> Path | None:
    """Returns `.env` of the working folder, unless it is the project's or another user's."""
    try:
        path = Path.cwd() / ".env"
        owner = path.lstat().st_uid
    except OSError:  # there is none, or the folder has been deleted
        return None
    if not _may_hold_settings(path) or path == _project_file():
        return None
    trusted = trusted_users()
    if trusted and owner not in trusted:
        warnings.append(
            f"{shown(path)} belongs to another user and was not read; if you trust it, pass it "
            "with --env-file"
        )
        return None
    return path


def _project_file() -> Path | None:
    path = PROJECT_FOLDER / ".env"
    return path if IS_SOURCE_CHECKOUT and _may_hold_settings(path) else None


def _may_hold_settings(path: Path) -> bool:
    """A folder `.env` may be a virtual environment. A dangling link fails when it is read."""
    return os.path.lexists(path) and not path.is_dir()


def _read(path: Path, owners: tuple[int, ...] = (), *, may_be_pipe: bool = False) -> dict[str, str]:
    try:
        content = read_trusted(path, owners, may_be_pipe=may_be_pipe)
    except UntrustedFileError as error:
        raise SettingsError([f"{shown(path)} {error}"]) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or "not a path"
        raise SettingsError(
            [f"{shown(path)} cannot be read ({reason}); check the path and its permissions"]
        ) from None
    variables, problems = parse_dotenv(content, [name for name, _ in rules()])
    if problems:
        raise SettingsError([f"{shown(path)}, {problem}" for problem in problems])
    return variables
