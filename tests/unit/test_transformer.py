"""Pseudonyms and masks against the standard library."""

import hashlib
import hmac
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.transformer import Pseudonymizer, former_key_id, key_id, mask_ip
from tests.unit import reference
from tests.unit.hostile_events import odd_addresses


@given(st.binary(min_size=1, max_size=200), st.text(st.characters(exclude_categories=["Cs"])))
@example(bytes(63), "a")
@example(bytes(64), "a")
@example(bytes(65), "é")
def test_a_pseudonym_is_the_hmac_sha256_of_the_id(key: bytes, device_id: str) -> None:
    expected = hmac.digest(key, device_id.encode(), "sha256").hex()
    pseudonymizer = Pseudonymizer(key)
    assert pseudonymizer.pseudonym(device_id) == expected
    assert pseudonymizer.pseudonym(device_id) == expected, "the second time"
    assert pseudonymizer.key_id == key_id(key) == expected_key_id(key)


def expected_key_id(key: bytes) -> str:
    return hmac.new(key, b"kafka_processor key id", "sha256").hexdigest()[:8]


@given(st.binary(min_size=1))
def test_the_name_of_a_key_is_no_hash_of_it(key: bytes) -> None:
    assert key_id(key) != hashlib.sha256(key).hexdigest()[:8] == former_key_id(key)


def test_a_pseudonym_is_the_same_on_every_machine() -> None:
    """The first test case of RFC 4231."""
    assert Pseudonymizer(b"\x0b" * 20).pseudonym("Hi There") == (
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )


@pytest.mark.parametrize(
    ("ip", "masked"),
    [
        ("108.228.145.239", "108.228.145.0"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.0"),
        ("2001:db8:85a3:8d3::1", "2001:db8:85a3::"),
        ("2001:DB8:0:8d3::1", "2001:db8::"),
        ("2002:c0a8:0123:4567::1", "2002:c0a8:100::"),
        ("2002:c0a8:ff::", "2002:c0a8::"),
        ("::ffff:108.228.145.239", "108.228.145.0"),
        ("::ffff:6ce4:91ef", "108.228.145.0"),
        ("::FFFF:108.228.145.239", "108.228.145.0"),
        ("::1", "::"),
        ("::1.2.3.4", "::"),
        ("0:0:1::", "0:0:1::"),
        ("64:ff9b::1.2.3.4", "64:ff9b::"),
        ("fe80::1", "fe80::"),
    ],
)
def test_masks(ip: str, masked: str) -> None:
    assert mask_ip(ip) == masked


@pytest.mark.parametrize(
    "text",
    [" 1.2.3.4 ", "010.1.2.3", "1.2.3.4:80", "fe80::1%eth0", "1.2.3.4\n", "\u0661.2.3.4", "1.2.3",
     "1.2.3.4\0", "::\0", "", "[::1]", "::ffff:01.2.3.4", "1:2:3:4:5:6:7:8:9", "12345::", "0x7f.1",
     "2130706433", "1.2.3.4/32", "::1/128", "\U0001f600:", "1" * 1024, ":" * 1024],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    assert mask_ip(text) is None


@given(odd_addresses | st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_masks_are_what_the_standard_library_says(text: str) -> None:
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        return
    assert mask_ip(text) == reference.mask(text)


@given(st.ip_addresses())
def test_a_mask_is_an_address_of_the_same_network_and_masks_no_further(address: object) -> None:
    masked = mask_ip(str(address))
    assert masked is not None
    assert mask_ip(masked) == masked
    original = ip_address(str(address))
    if ip_address(masked).version == original.version:
        bits = 24 if original.version == 4 else 40
        assert original in ip_network(f"{masked}/{bits}", strict=False)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1))
def test_6to4_keeps_no_more_of_its_ipv4_than_an_ipv4_would(ipv4: int, subnet: int) -> None:
    packed = b"\x20\x02" + ipv4.to_bytes(4, "big") + subnet.to_bytes(2, "big") + bytes(8)
    masked = mask_ip(str(ip_address(packed)))
    assert masked is not None
    assert ip_address(masked).packed == packed[:5] + bytes(11)
