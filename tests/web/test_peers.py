"""Who is calling, when a proxy says so and when anybody says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.peers import admitted, parse, peer
from tests.web.doors import networks

TRUSTED = networks("127.0.0.0/8", "10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("connected", "forwarded", "found"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["6.6.6.6", "203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        ("127.0.0.1", ["10.9.9.9, 10.1.1.1"], "10.9.9.9"),
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        ("::ffff:127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("127.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("127.0.0.1", ['"203.0.113.9"'], "203.0.113.9"),
        ("127.0.0.1", ["203.0.113.9, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9, junk, 10.1.1.1"], "10.1.1.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("not an address", ["203.0.113.9"], "not an address"),
        (None, ["203.0.113.9"], "203.0.113.9"),
        (None, [], None),
    ],
)
def test_the_caller_is_the_right_most_hop_that_is_not_ours(
    connected: str | None, forwarded: list[str], found: str | None
) -> None:
    assert peer(connected, forwarded, TRUSTED) == found


@pytest.mark.parametrize("connected", ["127.0.0.1", None])
def test_without_trusted_proxies_nobody_is_believed(connected: str | None) -> None:
    assert peer(connected, ["203.0.113.9"], []) == connected


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3", "1.2.3.4:x", "1.2.3.4:１", "[::1", "[::1]x", "[::1]:x", "1.2.3.4 5"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse(text) is None


@given(st.lists(st.text(max_size=40), max_size=4))
def test_no_header_raises_and_only_addresses_come_out(forwarded: list[str]) -> None:
    found = peer("127.0.0.1", forwarded, TRUSTED)
    assert found is not None
    assert parse(found) is not None


@given(st.lists(st.ip_addresses().map(str), max_size=4))
def test_what_a_caller_writes_left_of_a_foreign_hop_is_never_believed(forged: list[str]) -> None:
    assert peer("127.0.0.1", [", ".join([*forged, "203.0.113.9"])], TRUSTED) == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::9", True),
        ("198.51.100.1", False),
        ("not an address", False),
        ("", False),
        (None, False),
    ],
)
def test_who_is_in_no_network_of_the_list_may_not_call(address: str | None, inside: bool) -> None:
    assert admitted(address, TRUSTED) is inside
    assert admitted(address, ()) is True
