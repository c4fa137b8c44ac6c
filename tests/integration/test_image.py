"""The image that the Dockerfile builds, where Docker runs."""

import shutil
import subprocess
import uuid
from collections.abc import Iterable, Iterator

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


def _without_caches(paths: Iterable[str]) -> set[str]:
    return {path for path in paths if "__pycache__" not in path}
