"""An event that a person erases is gone, at once and everywhere, but known."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import NotFound
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.sqlite import scrub
from gateway.store.sqlite.backend import SqliteBackend
from gateway.store.store import Store
from gateway.text.store_address import parse_address
from tests.store.kit import event, new, other, table, take
from tests.store_admin.beside import claim, finished, settle

# -- erase


async def test_an_erased_event_is_gone_with_all_that_was_kept_of_it_but_known(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    await take(store, new(1, "app", "ops"), other(1, "a"), new(2, "app"))
    await finished(store, "delivered", "ops")
    admin.erase(f"{1:032x}")
    with pytest.raises(NotFound, match="only its id is remembered"):
        admin.event(f"{1:032x}")
    assert [row.id for row in admin.events()] == [f"{2:032x}"]
    assert table(url, "count(*)", "deliveries") == [(1,)]
    assert table(url, "count(*)", "attempts") == [(0,)]
    (again, changed) = await take(store, new(1, "app"), other(1, "a"))
    assert (again.new, again.held, changed.held) == (False, None, None)
    assert table(url, "count(*)", "events") == [(1,)]


async def test_a_delivery_on_its_way_ends_quietly_when_its_event_is_erased(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app"), new(2, "app", key="k"))
    leases = await claim(store)
    admin.erase(f"{1:032x}")
    assert [await settle(store, lease, "delivered") for lease in leases] == [False, True]


async def test_an_erased_head_lets_the_next_of_its_stream_go(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1, "app", key="k"), new(2, "app", key="k"))
    admin.erase(f"{1:032x}")
    assert [lease.event.id for lease in await claim(store)] == [f"{2:032x}"]


async def test_only_the_named_variant_is_erased(store: Store, admin: StoreAdmin) -> None:
    await take(store, new(1), other(1, "a"), other(1, "b"))
    a, b = admin.event(f"{1:032x}").beside
    admin.erase(a.ref)
    assert [row.ref for row in admin.event(f"{1:032x}").beside] == [b.ref]


@pytest.mark.parametrize("size", [40, 40_000])
async def test_erased_bytes_are_not_in_the_file_any_more(tmp_path: Path, clock: FrozenClock, size: int) -> None:
    canary = b"canary-5f2c1e"
    path = tmp_path / "gateway.db"
    store = Store(f"sqlite:///{path}", clock=clock)
    await store.open(lock_wait=0)
    await take(store, new(event(1, raw=canary + b"x" * size + canary), "app"))
    with StoreAdmin(f"sqlite:///{path}", clock=clock) as admin:
        admin.erase(f"{1:032x}")
    await store.close()
    assert canary not in path.read_bytes()
    assert not path.with_name("gateway.db-wal").exists()


async def test_what_is_erased_while_the_gateway_starts_is_scrubbed_too(tmp_path: Path, clock: FrozenClock) -> None:
    """It looks once at what was left undone, and hears a moment later of what others change: between them this was missed."""
    url = f"sqlite:///{tmp_path}/gateway.db"
    store = Store(url, clock=clock)
    await store.open(lock_wait=0)
    await take(store, new(event(1), "app"))
    await store.close()
    backend = SqliteBackend(parse_address(url), clock)
    session = backend.prepare()
    backend.poll(session)
    with StoreAdmin(url, clock=clock) as admin:
        admin.erase(f"{1:032x}")
    assert scrub.asked(session)
    backend.listen("owner", lambda _: None, lambda _: None)
    backend.poll(session)
    assert not scrub.asked(session)
    session.close()
