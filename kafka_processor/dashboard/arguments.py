"""The command line of `kafka-processor dashboard`, and its token."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kafka_processor.errors import SettingsError
from kafka_processor.terminal.arguments import CommandParser, integer

MAX_MINUTES: Final = 60
MIN_TOKEN: Final = 16
"""Characters; a generated token has 43."""
TOKEN: Final = "DASHBOARD_TOKEN"  # noqa: S105  # a name

DESCRIPTION: Final = """\
Serves a page that shows what the daemons are doing: rates, outcomes, latency, lag and errors, \
from SUMMARY_TOPIC, METRICS_TOPIC and ERRORS_TOPIC. Joins no group and changes nothing. \
docs/dashboard.md has more."""
EPILOG: Final = f"""\
On an address other than loopback the page requires a token: the environment variable {TOKEN} (at \
least {MIN_TOKEN} characters) or, without it, one that is generated at the start and printed with \
the address.

The other settings are those of kafka-processor, see its --help; no key is needed.

Exit codes: 0 stopped, 1 cannot listen or cannot continue, 2 wrong options or settings."""


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    """0: any free one."""
    window: int
    """Seconds that charts and latest errors cover."""
    env_file: str | None = None


def parse(arguments: Sequence[str]) -> Options:
    """Raises SettingsError; `--help` exits."""
    options = create_parser().parse(arguments)
    if not options.host.strip():
        raise SettingsError(["--host: is empty; use an address or a name of this machine"])
    return Options(options.host, options.port, options.minutes * 60, options.env_file)


def token_of(environ: Mapping[str, str], is_loopback: bool) -> str | None:
    """Returns the token that the page requires, or None. Raises SettingsError."""
    token = environ.get(TOKEN, "")
    if not token:
        return None if is_loopback else secrets.token_urlsafe(32)
    if len(token) < MIN_TOKEN:
        raise SettingsError(
            [f"{TOKEN}: (secret, not shown) is too short; use {MIN_TOKEN} characters or more"]
        )
    return token


def create_parser() -> CommandParser:
    parser = CommandParser("kafka-processor dashboard", "[OPTIONS]", DESCRIPTION, EPILOG)
    option = parser.add_argument
    option("--host", default="127.0.0.1", metavar="NAME",
           help="address or name to listen on (default: %(default)s)")  # fmt: skip
    option("--port", type=integer(0, 65_535), default=8080, metavar="N",
           help="port to listen on; 0: any free one (default: %(default)s)")  # fmt: skip
    option("--minutes", type=integer(1, MAX_MINUTES), default=15, metavar="N",
           help="minutes that the charts cover, 1 to 60 (default: %(default)s)")  # fmt: skip
    parser.add_env_file()
    return parser
