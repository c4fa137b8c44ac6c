"""Where settings come from: the environment, then a file `.env`; the same for every command."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kafka_processor.config import IS_SOURCE_CHECKOUT, PROJECT_FOLDER, SettingsError, rules
from kafka_processor.dotenv_file import parse_dotenv
from kafka_processor.trusted_files import NotTrusted, read_trusted, shown, trusted_users


@dataclass(frozen=True)
class Environment:
    values: Mapping[str, str]
    """All variables, those that are not ours too."""
    files: Mapping[Path, Mapping[str, str]]
    """What each file that was read says."""
    warnings: tuple[str, ...]


def read_environment(environment: Mapping[str, str], env_file: str | None = None) -> Environment:
    """The environment, above the file that `--env-file` names.

    Without one: above `.env` of the working folder, if it is ours, above that of the project
    folder in a source checkout. An empty value is unset, except for METRICS_TOPIC.
    Raises SettingsError.
    """
    files: dict[Path, Mapping[str, str]] = {}
    warnings: list[str] = []
    if env_file is not None:
        path = Path(env_file)
        files[path] = _read(path)
    else:
        working, project = _working_file(warnings), _project_file()
        if working:
            files[working] = _read(working, owners=trusted_users())
        if project:
            files[project] = _read(project)
    merged: dict[str, str] = {}
    for source in (*reversed(files.values()), environment):
        for name, value in source.items():
            if value.strip() or name == "METRICS_TOPIC":
                merged[name] = value
    return Environment(merged, files, tuple(warnings))


def _working_file(warnings: list[str]) -> Path | None:
    """None if there is none but the project's, or one that somebody else may have put there."""
    try:
        path = Path.cwd() / ".env"
        owner = path.lstat().st_uid
    except OSError:  # the folder may be gone too
        return None
    if not _may_hold_settings(path) or path == _project_file():
        return None
    trusted = trusted_users()
    if trusted and owner not in trusted:
        warnings.append(
            f"{shown(path)} belongs to another user and is not read; if it is meant, name it by "
            "--env-file"
        )
        return None
    return path


def _project_file() -> Path | None:
    path = PROJECT_FOLDER / ".env"
    return path if IS_SOURCE_CHECKOUT and _may_hold_settings(path) else None


def _may_hold_settings(path: Path) -> bool:
    """A folder `.env` is somebody's virtual environment. A link to nothing is an error later."""
    return os.path.lexists(path) and not path.is_dir()


def _read(path: Path, owners: tuple[int, ...] = ()) -> dict[str, str]:
    try:
        content = read_trusted(path, owners)
    except NotTrusted as why:
        raise SettingsError([f"{shown(path)} {why}"]) from None
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise SettingsError([f"{shown(path)} cannot be read ({reason})"]) from None
    variables, problems = parse_dotenv(content, [name for name, _ in rules()])
    if problems:
        raise SettingsError([f"{shown(path)}, {problem}" for problem in problems])
    return variables
