"""The image that the Dockerfile builds, where Docker runs."""

import shutil
import subprocess
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from kafka_processor.config import PROJECT_FOLDER

BASE = "python:3.11-slim"
PACKAGE = PROJECT_FOLDER / "kafka_processor"
LIST_AND_IMPORT = """
import importlib, pathlib, pkgutil, kafka_processor
folder = pathlib.Path(kafka_processor.__file__).parent
for module in pkgutil.walk_packages([str(folder)], "kafka_processor."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*(p.relative_to(folder) for p in folder.rglob("*") if p.is_file()), sep="\\n")
"""


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=300, check=False
    )


# Not pulled by a test: it is there where somebody works with Docker.
pytestmark = [
    pytest.mark.timeout(600),  # the first build loads packages
    pytest.mark.skipif(
        shutil.which("docker") is None or _docker("image", "inspect", BASE).returncode != 0,
        reason=f"needs Docker with the image {BASE}",
    ),
]


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    tag = f"kafka-processor-test:{uuid.uuid4().hex[:12]}"
    built = _docker("build", "--tag", tag, str(PROJECT_FOLDER))
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    yield tag
    _docker("image", "rm", tag)


def test_image_holds_all_modules_and_files_and_what_they_import(image: str) -> None:
    listed = _docker("run", "--rm", "--entrypoint", "python", image, "-c", LIST_AND_IMPORT)
    assert listed.returncode == 0, listed.stderr

    assert _without_caches(listed.stdout.splitlines()) == _without_caches(
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*") if path.is_file()
    )


def test_container_without_a_key_ends_with_one_line(image: str) -> None:
    ended = _docker("run", "--rm", image)

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["DEVICE_ID_KEY: not set; set it or DEVICE_ID_KEY_FILE"]


def test_container_needs_no_right_and_no_file_that_it_could_write(
    image: str, tmp_path: Path
) -> None:
    """It comes as far as asking for a broker, with its key from a file."""
    secret = tmp_path / "device_id_key"
    secret.write_text("00112233445566778899aabbccddeeff" * 2)
    secret.chmod(0o600)
    owner = secret.stat()
    ended = _docker(
        "run", "--rm", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true",
        "--read-only", "--memory", "512m", "--pids-limit", "256", "--network", "none",
        "--user", f"{owner.st_uid}:{owner.st_gid}",
        "--volume", f"{secret}:/run/secrets/device_id_key:ro",
        "--env", "DEVICE_ID_KEY_FILE=/run/secrets/device_id_key",
        "--env", "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9", image, "--check",
    )  # fmt: skip

    assert ended.returncode == 1, ended.stderr
    assert "KAFKA_BOOTSTRAP_SERVERS: 127.0.0.1:9 does not answer" in ended.stdout + ended.stderr


def _without_caches(paths: Iterable[str]) -> set[str]:
    return {path for path in paths if "__pycache__" not in path}
