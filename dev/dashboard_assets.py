"""Brings what the dashboard's page uses into the package: `python -m dev.dashboard_assets`.

Needs npm. The versions are fixed here; what is written is committed, so that nobody else needs it.
"""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

from dev.dashboard_maps import Ring, cut_at_date_line, natural_earth, outlines, picture
from kafka_processor.config import PROJECT_FOLDER

VENDOR: Final = PROJECT_FOLDER / "kafka_processor" / "dashboard" / "static" / "vendor"
FOR_TESTS: Final = PROJECT_FOLDER / "tests" / "support" / "axe"
PACKAGES: Final = {
    "uplot": "1.6.32",
    "@fontsource-variable/inter": "5.3.0",
    "us-atlas": "3.0.1",
    "world-atlas": "2.0.2",
    "i18n-iso-countries": "7.14.0",
    "axe-core": "4.14.1",
}
FILES: Final = {
    ("uplot", "dist/uPlot.iife.min.js"): VENDOR / "uplot" / "uPlot.iife.min.js",
    ("uplot", "dist/uPlot.min.css"): VENDOR / "uplot" / "uPlot.min.css",
    ("uplot", "LICENSE"): VENDOR / "uplot" / "LICENSE",
    ("@fontsource-variable/inter", "files/inter-latin-wght-normal.woff2"): (
        VENDOR / "inter" / "inter-latin-wght-normal.woff2"
    ),
    ("@fontsource-variable/inter", "LICENSE"): VENDOR / "inter" / "LICENSE",
    ("us-atlas", "LICENSE"): VENDOR / "maps" / "LICENSE.us-atlas",
    ("world-atlas", "LICENSE"): VENDOR / "maps" / "LICENSE.world-atlas",
    ("axe-core", "axe.min.js"): FOR_TESTS / "axe.min.js",
    ("axe-core", "LICENSE"): FOR_TESTS / "LICENSE",
}
NO_LOGINS: Final = "AQ"
"""Antarctica, which would take a fifth of the map."""
NO_CODE: Final = ""
"""Of areas that have none: they are drawn all the same."""
FIPS: Final[dict[str, str]] = dict(
    re.findall(
        r"(\d\d)(\w\w)",
        "01AL 02AK 04AZ 05AR 06CA 08CO 09CT 10DE 11DC 12FL 13GA 15HI 16ID 17IL 18IN 19IA 20KS "
        "21KY 22LA 23ME 24MD 25MA 26MI 27MN 28MS 29MO 30MT 31NE 32NV 33NH 34NJ 35NM 36NY 37NC "
        "38ND 39OH 40OK 41OR 42PA 44RI 45SC 46SD 47TN 48TX 49UT 50VT 51VA 53WA 54WV 55WI 56WY",
    )
)
"""Numbers of states in us-atlas."""


def main() -> int:
    if shutil.which("npm") is None:
        print("error: needs npm", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        packages = {name: _fetch(name, Path(folder)) for name in PACKAGES}
        for (name, file), target in FILES.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(packages[name] / file, target)
        maps = VENDOR / "maps"
        _write(maps / "states.json", _states(packages["us-atlas"]))
        _write(
            maps / "countries.json",
            _countries(packages["world-atlas"], packages["i18n-iso-countries"]),
        )
    return 0


def _fetch(name: str, folder: Path) -> Path:
    """The folder of a package."""
    package = folder / name.replace("/", "-").removeprefix("@")
    package.mkdir()
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"{name}@{PACKAGES[name]}"],
        cwd=package, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    with tarfile.open(package / packed) as archive:
        archive.extractall(package, filter="data")
    return package / "package"


def _states(package: Path) -> dict[str, Any]:
    topology = json.loads((package / "states-albers-10m.json").read_text("utf-8"))
    return picture(
        {
            FIPS[state["id"]]: rings
            for state, rings in outlines(topology, "states", lambda ring: [ring])
            if state["id"] in FIPS
        }
    )


def _countries(package: Path, codes: Path) -> dict[str, Any]:
    topology = json.loads((package / "countries-110m.json").read_text("utf-8"))
    rows = json.loads((codes / "codes.json").read_text("utf-8"))
    letters = {number: code for code, _, number, *_ in rows}
    shapes: dict[str, list[Ring]] = {}
    for country, rings in outlines(topology, "countries", cut_at_date_line):
        code = letters.get(country.get("id"), NO_CODE)
        if code != NO_LOGINS:
            flat = [[natural_earth(point) for point in ring] for ring in rings]
            shapes.setdefault(code, []).extend(flat)
    return picture(shapes)


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
