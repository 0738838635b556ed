"""One file is one event: whichever comes first, its callback or the vendor's own list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.model import FILE_COMPLETED, Trust
from gateway.testing import running
from tests.reconcile.conftest import Configured
from tests.reconcile.vendor import Vendor, asked, callback_fields, entry

DONE = "RECORD_FILE_COMPLETE"


async def test_what_no_callback_told_is_told_once(url: str, vendor: Vendor, configured: Configured) -> None:
    vendor.rows = [entry(1), entry(2)]
    async with running(configured(url)) as gateway:
        await asked(gateway)
        await asked(gateway)
        events = gateway.events()
        assert [(one.stream, one.type, one.reconciled, one.trust) for one in events] == [
            ("s1", FILE_COMPLETED, True, Trust.BODY),
            ("s2", FILE_COMPLETED, True, Trust.BODY),
        ]
        assert {one.verified.scheme for one in events if one.verified} == {"vendor-list"}
        assert [one.stream for one in gateway.delivered()] == ["s1", "s2"]
        assert json.loads(events[0].raw) == vendor.rows[0]
        assert gateway.metric("reconciled_total", source="live", result="made") == 2
        assert gateway.metric("reconciled_total", source="live", result="known") == 2


async def test_a_listed_file_whose_callback_came_is_known(url: str, vendor: Vendor, configured: Configured) -> None:
    async with running(configured(url)) as gateway:
        assert (await gateway.send(DONE, fields=callback_fields(entry(1)))).status == 200
        vendor.rows = [entry(1)]
        await asked(gateway)
        (event,) = gateway.events()
        assert not event.reconciled
        assert len(gateway.delivered()) == 1


async def test_a_callback_after_the_list_is_a_duplicate(url: str, vendor: Vendor, configured: Configured) -> None:
    vendor.rows = [entry(1)]
    async with running(configured(url)) as gateway:
        await asked(gateway)
        (listed,) = gateway.events()
        answer = await gateway.send(DONE, fields=callback_fields(vendor.rows[0]))
        assert (answer.status, answer.json()) == (200, {"status": "duplicate", "events": [listed.id]})
        assert (await gateway.send(DONE, fields=callback_fields(vendor.rows[0]))).json()["status"] == "duplicate"
        await asked(gateway)
        assert [one.id for one in gateway.events()] == [listed.id]
        assert len(gateway.delivered()) == 1


async def test_a_callback_that_came_before_the_vendor_was_asked_is_known(
    url: str, vendor: Vendor, configured: Configured
) -> None:
    vendor.rows = [entry(1)]
    without = configured(url)
    del without["sources"]["live"]["reconcile"]
    async with running(without) as gateway:
        await gateway.send(DONE, fields=callback_fields(vendor.rows[0]))
    async with running(configured(url), clock=gateway.clock) as gateway:
        await asked(gateway)
        assert [one.reconciled for one in gateway.events()] == [False]


async def test_what_a_weaker_signature_said_otherwise_is_superseded(
    url: str, vendor: Vendor, configured: Configured
) -> None:
    forged = {**callback_fields(entry(1)), "download_url": "https://evil.example/other.m3u8"}
    async with running(configured(url)) as gateway:
        await gateway.send(DONE, fields=forged)
        vendor.rows = [entry(1)]
        await asked(gateway)
        await asked(gateway)
        first, second = gateway.events()
        assert (second.id, second.supersedes, second.reconciled) == (first.id, first.id, True)
        assert len(gateway.delivered()) == 2
        assert (await gateway.send(DONE, fields=callback_fields(vendor.rows[0]))).json()["status"] == "duplicate"
        assert len(gateway.events()) == 2


async def test_a_late_callback_that_names_another_place_is_held(
    url: str, vendor: Vendor, configured: Configured
) -> None:
    vendor.rows = [entry(1)]
    forged = {**callback_fields(vendor.rows[0]), "download_url": "https://evil.example/other.m3u8"}
    async with running(configured(url)) as gateway:
        await asked(gateway)
        assert (await gateway.send(DONE, fields=forged)).status == 200
        assert len(gateway.delivered()) == 1
        assert gateway.metric("held_total", source="live", reason="conflict") == 1


@pytest.mark.parametrize("links", [{}, {"download_url": "https://recordings.obs.example.com/other?Signature=x"}])
async def test_a_link_that_is_signed_anew_is_the_same_file(
    url: str, vendor: Vendor, configured: Configured, links: dict[str, Any]
) -> None:
    vendor.rows = [entry(1, obs_addr={}, **links)]
    async with running(configured(url)) as gateway:
        await asked(gateway)
        for row in vendor.rows:
            row["download_url"] += "&again=1" if "?" in row["download_url"] else "?again=1"
        await asked(gateway)
        assert len(gateway.events()) == 1
