"""A file is one event, from its callback or from the vendor's own list, also where nothing that is kept says where it lies."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import REDACTED
from gateway.testing import running
from tests.reconcile.conftest import Configured
from tests.reconcile.vendor import Vendor, asked, callback_fields, entry

DONE = "RECORD_FILE_COMPLETE"
RULES = ["$.data.files[*].download_url", "$.data.files[*].play_url", "$.data.files[*].storage"]


def said(gateway: Any) -> list[tuple[bool, Any, bytes]]:
    return [(one.reconciled, one.files[0].download_url, one.raw) for one in gateway.events()]


async def test_a_listed_file_whose_callback_came_is_known(lite: str, vendor: Vendor, configured: Configured) -> None:
    async with running(configured(lite, redact=RULES)) as gateway:
        assert (await gateway.send(DONE, fields=callback_fields(entry(1)))).status == 200
        vendor.rows = [entry(1)]
        await asked(gateway)
        assert said(gateway) == [(False, REDACTED, b"")]


async def test_a_callback_after_the_list_is_a_duplicate(lite: str, vendor: Vendor, configured: Configured) -> None:
    vendor.rows = [entry(1)]
    async with running(configured(lite, redact=RULES)) as gateway:
        await asked(gateway)
        for _ in range(2):
            answer = await gateway.send(DONE, fields=callback_fields(vendor.rows[0]))
            assert answer.json()["status"] == "duplicate"
        assert said(gateway) == [(True, REDACTED, b"")]


@pytest.mark.parametrize("then", [RULES, None])
async def test_a_callback_that_came_before_the_vendor_was_asked_is_known(
    lite: str, vendor: Vendor, configured: Configured, then: list[str] | None
) -> None:
    vendor.rows = [entry(1)]
    without = configured(lite, redact=RULES)
    del without["sources"]["live"]["reconcile"]
    async with running(without) as gateway:
        await gateway.send(DONE, fields=callback_fields(vendor.rows[0]))
    more = {"redact": then} if then else {}
    async with running(configured(lite, **more), clock=gateway.clock) as gateway:
        await asked(gateway)
        assert said(gateway) == [(False, REDACTED, b"")]
