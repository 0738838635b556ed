"""The address guard: nothing that is not public is called, however it is spelt or resolved."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.egress.client import Http
from gateway.egress.guard import AddressGuard, Forbidden, is_public, unwrap
from gateway.egress.pool import Pool, open_pool
from gateway.egress.resolver import GuardedResolver
from gateway.egress.via import Via
from gateway.errors import Refused
from gateway.testing.corpus import cases
from gateway.testing.server import ScriptedServer
from tests.patience import PATIENCE_S

GUARD = AddressGuard()

BAD = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.1.2.3",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.31.196.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2002:a00:1::",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]
GOOD = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "114.114.114.114", "::ffff:8.8.8.8", "2400:3200::1", "2606:4700::1111"]


@pytest.mark.parametrize("text", BAD)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    with pytest.raises(Forbidden):
        GUARD.check(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", GOOD)
def test_a_public_address_passes(text: str) -> None:
    GUARD.check(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_in_its_mapped_spelling(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    assert list(unwrap(mapped)) == [address]


@given(st.ip_addresses())
def test_whatever_passes_is_global_by_pythons_own_word_too(address: Any) -> None:
    try:
        GUARD.check(address)
    except Forbidden:
        return
    assert all(inner.is_global for inner in unwrap(address))


def test_a_teredo_address_is_judged_by_its_server_and_its_client() -> None:
    teredo = ipaddress.IPv6Address("2001:0:808:808::80ff:fffe")  # server 8.8.8.8, client 127.0.0.1 inverted
    assert [str(inner) for inner in unwrap(teredo)] == [str(teredo), "8.8.8.8", "127.0.0.1"]


def test_what_is_allowed_by_name_passes_in_every_spelling() -> None:
    guard = AddressGuard((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("64:ff9b::/96")))
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1"):
        guard.check(ipaddress.ip_address(text))
    with pytest.raises(Forbidden):
        guard.check(ipaddress.ip_address("10.0.0.1"))
    assert not is_public(ipaddress.ip_address("fe80::1%lo"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://8.8.8.8/", "only http and https"),
        ("http://u@8.8.8.8/", "user-info"),
        ("http://8.8.8.8:22/", "port 22"),
        ("http://8.8.8.8:0/", "port 0"),
        ("https://a.example:0/", "port 0"),
        ("http:///x", "no host"),
        ("http://10.0.0.1/", "not a public"),
        ("http://[::1]:8080/", "not a public"),
    ],
)
def test_a_url_that_may_not_be_called_is_refused_before_any_lookup(url: str, reason: str) -> None:
    with pytest.raises(Forbidden, match=reason):
        GUARD.check_url(httpx.URL(url))


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8/", "https://a.example/", "http://a.example:8080/x", "https://a.example:443"]
)
def test_a_url_that_may_be_called_goes_on_to_the_lookup(url: str) -> None:
    GUARD.check_url(httpx.URL(url))


@pytest.mark.parametrize("case", cases("url"), ids=str)
async def test_the_hostile_urls_reach_no_listener(case: Any) -> None:
    async with ScriptedServer() as server:
        # The same spellings, aimed at a port where somebody would notice.
        url = case.value.replace("/", f":{server.port}/", 3).replace(f":{server.port}/", "/", 2)
        http = Http(timeout=PATIENCE_S)
        try:
            for target in (case.value, url):
                with pytest.raises(Refused):
                    await http.fetch_untrusted(target, max_bytes=10)
        finally:
            await http.close()
        assert server.connections == 0


async def test_a_name_whose_second_lookup_is_private_is_refused_the_second_time() -> None:
    answers = iter(["127.0.0.2", "127.0.0.1"])
    lookups = 0

    async def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[Any, ...]]:
        nonlocal lookups
        lookups += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    guard = AddressGuard(
        (ipaddress.ip_network("127.0.0.2/32"),)
    )  # stands for a public address: no test leaves loopback
    resolver = GuardedResolver(guard, lookup)
    assert [found["host"] for found in await resolver.resolve("rebind.example", 80)] == ["127.0.0.2"]
    with pytest.raises(Forbidden):
        await resolver.resolve("rebind.example", 80)
    assert lookups == 2
    await resolver.close()


async def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    async def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("8.8.8.8", "127.0.0.1")]

    with pytest.raises(Forbidden):
        await GuardedResolver(GUARD, lookup).resolve("mixed.example", 80)


async def test_a_name_without_addresses_and_a_name_with_a_nul_are_not_called() -> None:
    async def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[Any, ...]]:
        return []

    with pytest.raises(OSError, match="no address"):
        await GuardedResolver(GUARD, lookup).resolve("empty.example", 80)
    with pytest.raises(Forbidden, match="NUL"):
        await GuardedResolver(GUARD, lookup).resolve("good.example\0.evil", 80)


async def test_the_connection_goes_to_the_address_that_was_judged_and_keeps_the_name() -> None:
    """The name is resolved once; a second look-up, which would answer otherwise, never happens."""
    lookups: list[str] = []

    async def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[Any, ...]]:
        lookups.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(lookups) == 1 else "127.0.0.9", port))]

    guard = AddressGuard((ipaddress.ip_network("127.0.0.1/32"),))
    via = Via(guard=guard)
    pool = await open_pool(via, False, None, lookup=lookup)
    http = Http()
    http._pools[via, False] = pool
    async with ScriptedServer() as server:
        await http.get(f"http://pinned.example:{server.port}/x", via=via)
        assert lookups == ["pinned.example"]
        assert server.received[0].header("host") == f"pinned.example:{server.port}"
        # Its connection is closed by the server's end; the next call looks the name up again and is refused.
        server.received.clear()
    with pytest.raises(Refused, match="may not be called"):
        await http.get(f"http://pinned.example:{server.port}/x", via=via)
    assert isinstance(pool, Pool)
    await http.close()


async def test_localhost_is_refused_by_a_guarded_sink_and_called_by_a_configured_one() -> None:
    async with ScriptedServer() as server:
        http = Http(timeout=PATIENCE_S)
        url = f"http://localhost:{server.port}/"
        with pytest.raises(Refused, match="not a public address"):
            await http.get(url, via=Via(guard=GUARD))
        assert server.connections == 0
        await http.get(f"http://127.0.0.1:{server.port}/")
        assert server.connections == 1
        await http.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0X7F.1",
        "127.1",
        "127.0.0.1.",
        "127.0.0.0x1",
        "1.2.3.4.5",
        "999",
        "a.1",
    ],
)
def test_an_address_in_another_spelling_is_refused_whatever_the_library_makes_of_it(host: str) -> None:
    with pytest.raises(Forbidden):
        AddressGuard().check_url(httpx.URL(f"http://{host}/"))


@pytest.mark.parametrize("host", ["8.8.8.8", "a1", "1.example", "0x7f.example", "10.0.0.1.nip.example."])
def test_a_name_with_numbers_in_it_is_a_name(host: str) -> None:
    AddressGuard().check_url(httpx.URL(f"http://{host}/"))
