"""Version, changelog and tag name the same release."""

import re
import subprocess

import kafka_processor
from tests.support.program import PROJECT_FOLDER


def test_changelog_begins_with_this_version_or_what_is_not_released_yet() -> None:
    text = (PROJECT_FOLDER / "CHANGELOG.md").read_text("utf-8")
    first, *others = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert first in {"Unreleased", kafka_processor.__version__}
    assert not others or kafka_processor.__version__ in {first, others[0]}


def test_a_tagged_commit_has_the_version_of_its_tag() -> None:
    tags = subprocess.run(
        ["git", "tag", "--points-at", "HEAD", "--list", "v*"],
        cwd=PROJECT_FOLDER,
        capture_output=True,
        text=True,
        check=False,  # an archive has no history
    ).stdout.split()
    assert tags in ([], [f"v{kafka_processor.__version__}"])
    if tags:
        assert f"## [{kafka_processor.__version__}] - " in (
            PROJECT_FOLDER / "CHANGELOG.md"
        ).read_text("utf-8")
