"""What a Huawei Live source is told of the vendor's API: bounded, and never called where nobody meant it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.document.diagnostics import ConfigError
from gateway.testing import running
from tests.reconcile.conftest import Configured
from tests.reconcile.vendor import SK, Vendor, asked


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"region": "cn-north-4"}, "either `region` or `base_url`"),
        ({"base_url": None}, "either `region` or `base_url`"),
        ({"base_url": None, "region": "cn-north-4.evil.example/"}, "the name of a region"),
        ({"base_url": "http://live.example.com"}, "with https: what it answers is believed"),
        ({"base_url": "https://live.example.com/?x=1"}, "without a query"),
        ({"base_url": "https://user:word@live.example.com/"}, "without user name"),
        ({"project_id": "../other"}, "a project id"),
        ({"access_key": "short"}, "at least 16 characters"),
        ({"secret_key": None}, "secret_key"),
        ({"allow": ["10.0.0.0/33"]}, "such as 10.0.0.0/8"),
        ({"every": "1m"}, "at least 5m"),
        ({"since": "31d"}, "at most 30d"),
        ({"callback_url": "https://hooks.example.com/hooks/live?key=1"}, "the vendor takes none"),
        ({"evry": "1h"}, "did you mean every"),
    ],
)
async def test_a_mistake_is_named_before_anything_is_called(
    configured: Configured, lite: str, vendor: Vendor, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        async with running(configured(lite, changes)):
            pass
    assert says in str(refused.value)
    assert SK not in str(refused.value)
    assert vendor.asked == []


async def test_a_private_address_is_called_only_where_it_is_allowed(
    configured: Configured, lite: str, vendor: Vendor
) -> None:
    async with running(configured(lite, {"allow": None})) as gateway:
        await asked(gateway)
        assert "not a public address" in ((await gateway.gateway.store.reconciliations())["live"].error or "")
        assert vendor.asked == []
