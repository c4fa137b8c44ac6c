"""The Python of each peer: a virtual environment of its own for those that bring their client."""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from dev.jars import locked
from dev.kafka_install import announced

REQUIREMENTS: Final = {
    "quix_streams": "quixstreams>=3.28,<3.29",
    "arroyo_loop": "sentry-arroyo>=2.48,<2.49",
}
"""By module in `bench/peers`; the other Python peers run in the project's own environment."""
SHARED: Final = ("msgspec", "python-dotenv")
"""What the project's own modules need there: as they are here, so that the job costs the same."""
INSTALL_TIMEOUT: Final = 600.0


class PeerMissingError(Exception):
    """A peer's environment cannot be had; the message is one line for the user."""


def python_of(peer: str) -> Path:
    """The Python to run `-m bench.peers.<peer>` with; made at first use, which takes a while.

    The process needs PYTHONPATH to be the project's folder. Raises PeerMissingError.
    """
    if peer not in REQUIREMENTS:
        return Path(sys.executable)
    requirements = [REQUIREMENTS[peer], *(f"{name}=={version(name)}" for name in SHARED)]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    identity = " ".join([*requirements, sys.version, sys.base_prefix])
    name = f"{peer}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    folder = cache / "kafka-processor" / "peers" / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            if not (folder / "complete").exists():
                _install(folder, requirements)
    except OSError as error:
        raise PeerMissingError(
            f"cannot keep the environment of {peer} in {folder}: {error}"
        ) from None
    return folder / "bin" / "python"


def _install(folder: Path, requirements: list[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # of an installation that was interrupted
    log = folder.with_suffix(".log")
    python = folder / "bin" / "python"
    steps: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", folder],
        [python, "-m", "pip", "install", "--disable-pip-version-check", *requirements],
    ]
    try:
        with (
            announced(f"Installing {requirements[0]} for the comparison"),
            log.open("wb") as output,
        ):
            for step in steps:
                subprocess.run(
                    step,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=INSTALL_TIMEOUT,
                    check=True,
                )
    except subprocess.SubprocessError as error:
        raise PeerMissingError(
            f"could not install {requirements[0]} ({type(error).__name__}, see {log}): the first"
            " comparison needs a network, later ones do not"
        ) from None
    (folder / "complete").touch()


def main() -> int:
    """Makes all environments. Returns the exit code."""
    for peer in REQUIREMENTS:
        try:
            print(python_of(peer))
        except PeerMissingError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
