"""A gateway whose vendor's API answers on loopback, on a SQLite file and on a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import store_urls
from tests.reconcile.vendor import AK, PROJECT, SK, Vendor, served

url = store_urls.url

KEY = "demo-0123456789abcdef0123456789abcdef"


@pytest.fixture
def vendor_at() -> Iterator[tuple[Vendor, str]]:
    with served() as both:
        yield both


@pytest.fixture
def vendor(vendor_at: tuple[Vendor, str]) -> Vendor:
    return vendor_at[0]


@pytest.fixture
def lite(tmp_path: Path) -> str:
    """The URL of an empty SQLite store, for what has nothing to do with the database."""
    return f"sqlite:///{tmp_path}/gateway.db"


Configured = Callable[..., dict[str, Any]]


@pytest.fixture
def configured(vendor_at: tuple[Vendor, str]) -> Configured:
    """The configuration of a gateway on the store at `url`; `reconcile` and `source` change what it says there."""

    def make(url: str, reconcile: Mapping[str, Any] | None = None, **source: Any) -> dict[str, Any]:
        asked = {
            "every": "1h",
            "project_id": PROJECT,
            "access_key": AK,
            "secret_key": SK,
            "base_url": vendor_at[1],
            "allow": "127.0.0.0/8",
            "calls": "1000/s",
            **(reconcile or {}),
        }
        asked = {name: value for name, value in asked.items() if value is not None}
        live = {
            "type": "huawei-live",
            "keys": [KEY],
            "sign_type": "hmac-sha256-fields",
            "domains": ["push.example.com"],
            "apps": ["live"],
            "reconcile": asked,
            **source,
        }
        return {
            "store": {"url": url},
            "sources": {"live": live},
            "sinks": {"app": {"type": "recorder"}},
            "routes": [{"to": ["app"]}],
        }

    return make
