"""Jars from Maven Central, with all that they need, without Maven."""

import contextlib
import fcntl
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path


class JarsMissingError(Exception):
    """The jars cannot be had; the message is one line for the user."""


def fetch_jars(
    what: str, coordinates: Sequence[str], folder: Path, unwanted: Collection[str] = ()
) -> None:
    """Fetch the jars of the coordinates, and those that they need, into `folder`.

    `what` names them for the user; `unwanted` are artifacts to leave out. Raises JarsMissingError.
    """
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 (optional, and only needed here)
    except ImportError:
        raise JarsMissingError(f"{what} needs more packages: pip install jgo") from None
    cache = folder / "maven"
    try:
        maven = MavenContext(repo_cache=cache)
        wanted, needed = maven.resolver.resolve([maven.create_dependency(c) for c in coordinates])
        needed = [each for each in needed if each.scope in ("compile", "runtime")]
        for dependency in (*wanted, *needed):
            if dependency.artifact.artifactId not in unwanted:
                shutil.move(dependency.artifact.resolve(), folder)
    except Exception as error:  # jgo documents none; the remedy is the same for all
        raise JarsMissingError(
            f"could not fetch {what} from Maven Central ({type(error).__name__}): the first start"
            " needs a network, later ones do not"
        ) from None
    shutil.rmtree(cache)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one process at a time in; `path` is a file for that alone."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released with the file, also by the end of the process
        yield
