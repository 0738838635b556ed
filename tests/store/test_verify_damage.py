"""`gateway store verify` beside a page that cannot be read: the rows on it are named, and all others are still looked at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.store.admin.admin import StoreAdmin
from gateway.store.verify.verifier import DAMAGED_KEYS_MIN
from tests.store.conftest import Opener
from tests.store.kit import beside, event, new, take
from tests.store.test_damaged_page import PAGE, damage_leaf

pytestmark = pytest.mark.plain_rows  # it finds a page by what it holds


async def test_the_rows_on_a_damaged_page_are_named_and_the_rest_is_looked_at(tmp_path: Path, open_at: Opener) -> None:
    file, count = tmp_path / "gateway.db", 6 * DAMAGED_KEYS_MIN
    store = await open_at(url=f"sqlite:///{file}")
    await take(store, *[new(event(n, raw=b"x" * PAGE), "app") for n in range(1, count + 1)])
    await store.close()
    with beside(f"sqlite:///{file}") as session:
        session.change("UPDATE deliveries SET attempts = token + 1 WHERE id = 2")
    damage_leaf(file, event(count // 2).id)
    looked_at: list[int] = []
    with StoreAdmin(f"sqlite:///{file}") as admin:
        found = list(admin.violations(looked_at.append))
        assert sum(looked_at) == admin.keys_to_verify()
    pages = [one for one in found if one.rule == "page"]
    assert pages
    spans = [re.fullmatch(r"events (\d+) to (\d+)", one.row) for one in pages if one.row]
    named = {seq for span in spans if span for seq in range(int(span[1]), int(span[2]) + 1)}
    assert count // 2 in named
    assert len(named) <= 2 * DAMAGED_KEYS_MIN, "no more is called damaged than lies near it"
    assert all("cannot all be read" in one.text for one in pages if one.row)
    assert [one.row for one in found if one.rule != "page" and "2" in one.row]
