"""A run goes on after whatever ends it, keeps to its rate, and says in words why it does not get on."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from gateway.testing import running
from tests.reconcile.conftest import Configured
from tests.reconcile.vendor import START, Vendor, asked, entry

MANY = 101  # two pages


def unrouted(config: dict[str, Any]) -> dict[str, Any]:
    """Without deliveries, which are nothing to many recordings."""
    return config | {"routes": [{"match": {"stream": "nobody"}, "to": ["app"]}]}


async def row(gateway: Any) -> Any:
    return (await gateway.gateway.store.reconciliations())["live"]


async def test_every_page_of_every_kind_of_recording_is_asked_for(
    vendor: Vendor, configured: Configured, lite: str
) -> None:
    vendor.rows = [entry(n) for n in range(MANY)] + [entry(MANY, record_type="COMMAND_RECORD")]
    async with running(unrouted(configured(lite))) as gateway:
        await asked(gateway)
        assert len(gateway.events()) == MANY + 1
        pages = [(query["record_type"], query["offset"]) for query in vendor.listed]
        assert pages == [
            *(("CONTINUOUS_RECORD", str(n)) for n in range(2)),
            *((kind, "0") for kind in ("COMMAND_RECORD", "PLAN_RECORD", "ON_DEMAND_RECORD")),
        ]
        assert {query["publish_domain"] for query in vendor.listed} == {"push.example.com"}
        last = (await row(gateway)).last
        assert (last.looked, last.made, last.better, last.problems) == (MANY + 1, MANY + 1, 0, 0)


async def test_a_run_that_was_ended_goes_on_at_its_page(url: str, vendor: Vendor, configured: Configured) -> None:
    vendor.rows = [entry(n) for n in range(MANY)]
    vendor.answers = [(200, {}, json.dumps({"record_contents": vendor.rows[:100]}).encode()), (503, {}, b"")]
    async with running(unrouted(configured(url))) as gateway:
        await asked(gateway)
        assert (await row(gateway)).run.next == "0 0 1"
        assert len(gateway.events()) == 100
    asked_before = len(vendor.listed)
    async with running(unrouted(configured(url)), clock=gateway.clock) as gateway:
        await asked(gateway)
        assert vendor.listed[asked_before]["offset"] == "1"
        assert len(gateway.events()) == MANY
        assert (await row(gateway)).last.made == MANY


async def test_another_gateway_leaves_a_run_alone_until_its_lease_ends(
    vendor: Vendor, configured: Configured, lite: str
) -> None:
    async with running(configured(lite)) as gateway:
        await asked(gateway)
        hold = "UPDATE reconciliations SET owner = 'other', until_at = :now + 60000"
        await gateway.gateway.store.write(lambda session: session.change(hold))
        before = len(vendor.listed)
        await asked(gateway)
        assert len(vendor.listed) == before
        gateway.clock.advance(61)
        await asked(gateway)
        assert len(vendor.listed) > before


@pytest.mark.parametrize(
    ("answer", "says", "wait"),
    [
        ((401, {}, b'{"error_code":"APIGW.0301","error_msg":"Incorrect IAM"}'), "APIGW.0301 Incorrect IAM", 3600),
        ((401, {"date": "Fri, 02 Jan 2026 00:00:00 GMT"}, b"{}"), "clock is 8", 3600),
        ((403, {}, b'{"error":{"code":"PDP5.0001","message":"denied"}}'), "PDP5.0001 denied): the key is known", 3600),
        ((404, {}, b"<html>"), "`base_url` or the project", 3600),
        ((302, {"location": "https://elsewhere.example/"}, b""), "`base_url` or the project", 3600),
        ((429, {"retry-after": "7200"}, b"{}"), "too many calls; lower `calls`", 7200),
        ((429, {}, b"{}"), "too many calls", 60),
        ((500, {}, b"x"), "answered 500", 60),
        ((200, {}, b"<html>captive</html>"), "no JSON object", 60),
        ((200, {}, b"[]"), "no JSON object", 60),
        ((200, {}, b'{"record_contents": 7}'), "is this the API of Huawei Live?", 60),
    ],
)
async def test_what_the_api_says_instead_is_told_in_words(
    vendor: Vendor, configured: Configured, lite: str, answer: Any, says: str, wait: int
) -> None:
    vendor.answers = [answer]
    async with running(configured(lite)) as gateway:
        await asked(gateway)
        known = await row(gateway)
        assert says in known.error
        assert known.due_at - known.now == pytest.approx(wait * 1000, abs=1000)
        assert gateway.metric("reconcile_failures_total", source="live") == 1
        assert "secret-of-the-tests" not in known.error
        await asked(gateway)
        assert (await row(gateway)).error is None


async def test_a_type_of_recording_that_the_api_does_not_know_is_left_out(
    vendor: Vendor, configured: Configured, lite: str
) -> None:
    vendor.rows = [entry(1), entry(2, record_type="ON_DEMAND_RECORD")]
    ok = json.dumps({"record_contents": vendor.rows[:1]}).encode()
    vendor.answers = [
        (200, {}, ok),
        (200, {}, b"{}"),
        (400, {}, b'{"error_code":"LIVE.100011001","error_msg":"record_type"}'),
    ]
    async with running(configured(lite)) as gateway:
        await asked(gateway)
        assert [one.stream for one in gateway.events()] == ["s1", "s2"]
        vendor.answers = [(400, {}, b'{"error_code":"LIVE.100011001","error_msg":"start_time"}')]
        await asked(gateway)
        assert "start_time" in (await row(gateway)).error


async def test_a_wrong_secret_key_is_told_and_never_shown(
    vendor: Vendor, configured: Configured, lite: str, capsys: Any
) -> None:
    vendor.secret = "another secret of the vendor's"
    async with running(configured(lite)) as gateway:
        await asked(gateway)
        assert "it does not take this access key" in (await row(gateway)).error
    out = capsys.readouterr()
    assert "secret-of-the-tests" not in out.out + out.err


async def test_what_just_ended_is_left_to_its_callback(vendor: Vendor, configured: Configured, lite: str) -> None:
    vendor.rows = [entry(1, START - timedelta(minutes=14)), entry(2, START - timedelta(minutes=16))]
    async with running(configured(lite)) as gateway:
        await asked(gateway)
        assert [one.stream for one in gateway.events()] == ["s2"]
        await gateway.advance(120)
        await asked(gateway)
        assert [one.stream for one in gateway.events()] == ["s2", "s1"]


async def test_other_domains_and_entries_that_say_nothing_make_no_event(
    vendor: Vendor, configured: Configured, lite: str
) -> None:
    vendor.rows = [entry(1, app="other"), entry(2, obs_addr=None, download_url=None), entry(3), entry(4, stream=None)]
    async with running(configured(lite)) as gateway:
        await asked(gateway)
        assert [one.stream for one in gateway.events()] == ["s3"]
        assert gateway.metric("reconciled_total", source="live", result="unreadable") == 2


async def test_what_may_have_been_forgotten_is_not_asked_for(vendor: Vendor, configured: Configured, lite: str) -> None:
    async with running(configured(lite, {"since": "20d"})) as gateway:
        await asked(gateway)
        assert vendor.listed[0]["start_time"] == "2025-12-12T00:00:00Z", "nothing was ever deleted here"
    config = configured(lite, {"since": "20d"})
    async with running(config, clock=gateway.clock) as gateway:
        forgotten = "INSERT INTO remembered (id, source, fingerprint, trust, held, seen_at) VALUES ('x', 'y', x'00', 0, 0, :now)"
        await gateway.gateway.store.write(lambda session: session.change(forgotten))
        await gateway.gateway.store.write(lambda session: session.change("UPDATE reconciliations SET noted_at = 0"))
        before = len(vendor.listed)
        await asked(gateway)
        assert vendor.listed[before]["start_time"].startswith("2025-12-25T")


async def test_nobody_asks_without_every(vendor: Vendor, configured: Configured, lite: str) -> None:
    async with running(configured(lite, {"every": None})) as gateway:
        await gateway.gateway.admin._reconciler.look_once()
        assert vendor.asked == []
