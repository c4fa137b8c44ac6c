"""Login events as the contract has them come in: pure, from a seed, cheap enough for a backlog."""

import json
import random
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dev.login_faults import FAULTS
from kafka_processor.outcomes import ERROR_TYPES, OUTCOMES, Outcome

OLD_AGE: Final = 300.0
"""Seconds; far over the default of MAX_MESSAGE_AGE."""
_OF_FAULTS: Final = {fault.expected_outcome for fault in FAULTS}
EXPECTED_OUTCOMES: Final[tuple[Outcome, ...]] = tuple(
    each for each in OUTCOMES if each in _OF_FAULTS or each not in ERROR_TYPES
)
_ACCEPTED_VERSION: Final = "2.3.0"
_OTHER_VERSIONS: Final = ("2.2.9", "2.4.0", "1.0.0", "2.3", "2.3.0-beta")
_USERS: Final = 4000
_DEVICES: Final = 5000
"""More than users: some users have two."""
_OTHER_ORDER_SHARE: Final = 0.1
_TEXT_TIMESTAMP_SHARE: Final = 0.05
_LOCALES: Final = re.findall(
    r"\w+",
    "CA TX FL NY RU PA IL OH GA NC MI NJ VA WA AZ DE GB FR BR IN JP MX ES PL IT SE NL AU KR TR "
    "MA TN MO MD WI CO MN SC AL LA KY OR OK CT UT IA NV",
)


@dataclass(frozen=True)
class Shares:
    """Of all events, from 0 to 1; the first three exclude each other. Raises ValueError."""

    faulty: float = 0.05
    old: float = 0.02
    filtered: float = 0.03
    ipv6: float = 0.1

    def __post_init__(self) -> None:
        shares = (self.faulty, self.old, self.filtered, self.ipv6)
        if not all(0 <= share <= 1 for share in shares) or sum(shares[:3]) > 1:
            raise ValueError("shares are from 0 to 1; faulty, old and filtered together at most 1")


class GeneratedEvent(NamedTuple):
    value: bytes | None
    key: bytes
    """The user id, also of an event whose value lacks it."""
    age_seconds: float
    """How much older than now the record's Kafka timestamp has to be."""
    expected_outcome: Outcome
    """What the contract says under default settings, if the event is read at once."""


class _Device(NamedTuple):
    fields: dict[str, object]
    key: bytes
    before_timestamp: bytes
    after_timestamp: bytes


class LoginEvents:
    """An endless sequence of login events: the same seed, shares and times, the same bytes."""

    def __init__(self, seed: int, shares: Shares) -> None:
        generator = random.Random(seed)
        self._random = generator.random
        self._generator = generator
        self._devices = _make_devices(generator, shares.ipv6)
        self._faulty_below = shares.faulty
        self._old_below = shares.faulty + shares.old
        self._filtered_below = shares.faulty + shares.old + shares.filtered

    def next(self, now: float) -> GeneratedEvent:
        """The next event, as it happens at `now`, in seconds since the epoch."""
        device = self._devices[int(self._random() * _DEVICES)]
        roll = self._random()
        if roll >= self._filtered_below:
            return GeneratedEvent(_at(device, now), device.key, 0.0, "processed")
        if roll < self._faulty_below:
            fault = FAULTS[int(self._random() * len(FAULTS))]
            value = fault.spoil({**device.fields, "timestamp": int(now)})
            return GeneratedEvent(value, device.key, 0.0, fault.expected_outcome)
        if roll < self._old_below:
            return GeneratedEvent(_at(device, now - OLD_AGE), device.key, OLD_AGE, "skipped")
        version = self._generator.choice(_OTHER_VERSIONS)
        fields = {**device.fields, "app_version": version, "timestamp": int(now)}
        return GeneratedEvent(json.dumps(fields).encode(), device.key, 0.0, "filtered")


def _at(device: _Device, time: float) -> bytes:
    return b"%b%d%b" % (device.before_timestamp, time, device.after_timestamp)


def _make_devices(generator: random.Random, ipv6_share: float) -> list[_Device]:
    users = [str(uuid.UUID(int=generator.getrandbits(128), version=4)) for _ in range(_USERS)]
    # Few locales have most of the users, as in real life.
    weights = [1 / (rank + 1) for rank in range(len(_LOCALES))]
    locales = generator.choices(_LOCALES, weights, k=_DEVICES)
    return [
        _make_device(generator, users[index % _USERS], locale, ipv6_share)
        for index, locale in enumerate(locales)
    ]


def _make_device(generator: random.Random, user_id: str, locale: str, ipv6_share: float) -> _Device:
    device_type = generator.choice(("android", "iOS"))
    is_ipv6 = generator.random() < ipv6_share
    fields: dict[str, object] = {
        "user_id": user_id,
        "app_version": _ACCEPTED_VERSION,
        "device_type": device_type,
        "ip": _ipv6(generator) if is_ipv6 else _ipv4(generator),
        "locale": locale,
        "device_id": _device_id(generator),
        "timestamp": 0,
    }
    quote = '"' if generator.random() < _TEXT_TIMESTAMP_SHARE else ""
    names = list(fields)
    if generator.random() < _OTHER_ORDER_SHARE:
        generator.shuffle(names)
    return _Device(fields, user_id.encode(), *_split_at_timestamp(fields, names, quote))


def _split_at_timestamp(
    fields: dict[str, object], names: Sequence[str], quote: str
) -> tuple[bytes, bytes]:
    """The event's JSON before and after the digits of its timestamp; `quote` is around them."""
    members = [(name, json.dumps(fields[name])) for name in names]
    at = names.index("timestamp")
    before = "".join(f'"{name}": {value}, ' for name, value in members[:at])
    after = "".join(f', "{name}": {value}' for name, value in members[at + 1 :])
    return f'{{{before}"timestamp": {quote}'.encode(), f"{quote}{after}}}".encode()


def _ipv4(generator: random.Random) -> str:
    first = generator.choice((23, 66, 81, 93, 108, 144, 172, 199, 208))
    return f"{first}." + ".".join(str(generator.randint(1, 254)) for _ in range(3))


def _ipv6(generator: random.Random) -> str:
    prefix = generator.choice(("2001:db8", "2600:1f18", "2a02:26f7", "2002"))
    groups = [f"{generator.randint(1, 0xFFFF):x}" for _ in range(4)]
    return f"{prefix}:{':'.join(groups)}::{generator.randint(1, 0xFFFF):x}"


def _device_id(generator: random.Random) -> str:
    """Mostly like 593-47-5928; the others as phones name themselves."""
    form = generator.random()
    if form < 0.85:
        digits = f"{generator.randint(0, 999_999_999):09}"
        return f"{digits[:3]}-{digits[3:5]}-{digits[5:]}"
    if form < 0.95:
        return f"{generator.getrandbits(64):016x}"
    return str(uuid.UUID(int=generator.getrandbits(128), version=4)).upper()
