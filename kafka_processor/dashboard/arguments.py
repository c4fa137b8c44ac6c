"""The command line of `kafka-processor dashboard`, and the token that comes with it."""

import argparse
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from kafka_processor.errors import SettingsError

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080
DEFAULT_MINUTES: Final = 15
MAX_MINUTES: Final = 60
MIN_TOKEN: Final = 16
"""Characters; one that is made here has 43."""
TOKEN: Final = "DASHBOARD_TOKEN"  # noqa: S105  # a name

DESCRIPTION: Final = """\
Serves a page that shows what the daemons do: rates, outcomes, latency, lag and
errors, from SUMMARY_TOPIC, METRICS_TOPIC and ERRORS_TOPIC. It joins no group,
commits nothing and changes nothing. docs/dashboard.md has more."""
EPILOG: Final = f"""\
On another address than loopback the page asks for a token: the environment
variable {TOKEN} (at least {MIN_TOKEN} characters), or else one that is made at
the start and printed with the address. The other settings are those of
kafka-processor, see its --help; it takes no key.

Exit codes: 0 stopped, 1 it cannot listen or go on, 2 wrong options or settings."""


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    """0: any free one."""
    window: int
    """Seconds that charts and latest errors go back."""
    env_file: str | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError([message])


def parse(arguments: Sequence[str]) -> Options:
    """Raises SettingsError: a line for each thing wrong; `--help` ends the program."""
    given, unknown = _parser().parse_known_args(arguments)
    problems = [f"{text.partition('=')[0]}: there is no such option" for text in unknown]
    port = _number("--port", given.port, 0, 65_535, problems)
    minutes = _number("--minutes", given.minutes, 1, MAX_MINUTES, problems)
    if not given.host.strip():
        problems.append("--host: empty; give an address or a name of this machine")
    if problems:
        raise SettingsError(problems)
    return Options(given.host, port, minutes * 60, given.env_file)


def token_of(given: Mapping[str, str], is_loopback: bool) -> str | None:
    """What the page asks for; None: nothing. Raises SettingsError."""
    token = given.get(TOKEN, "")
    if not token:
        return None if is_loopback else secrets.token_urlsafe(32)
    if len(token) < MIN_TOKEN:
        raise SettingsError(
            [f"{TOKEN}: (secret, not shown) is too short; allowed: {MIN_TOKEN} characters or more"]
        )
    return token


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kafka-processor dashboard",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("--host", default=DEFAULT_HOST, metavar="NAME", help="where to listen (%(default)s)")
    option("--port", default=str(DEFAULT_PORT), metavar="N", help="0: any free one (%(default)s)")
    option("--minutes", default=str(DEFAULT_MINUTES), metavar="N",
           help=f"how far charts go back, at most {MAX_MINUTES} (%(default)s)")  # fmt: skip
    option("--env-file", metavar="FILE", help="read settings from this file instead of .env")
    return parser


def _number(name: str, text: str, low: int, high: int, problems: list[str]) -> int:
    if re.fullmatch(r"[0-9]{1,5}", text) and low <= int(text) <= high:
        return int(text)
    problems.append(f"{name}: {text!r} is not allowed; allowed: {low} to {high}")
    return low
