"""What is secret in a store is encrypted before it is written, opens only in its own row, and its keys may change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreKeyMissing, ValueUnreadable
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import commands, event_full, pages, recording_pages
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine.cipher import Cipher
from gateway.store.outbox import recording_joins
from gateway.store.records import Refusal
from gateway.store.store import Store
from tests.patience import eventually
from tests.store.conftest import Opener
from tests.store.kit import LEASE, START, event, new, session, settlement, table, take

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
MARKER = "marker-that-nobody-may-read"


def old() -> Cipher:
    return Cipher({"old": OLD})


def both() -> Cipher:
    return Cipher({"new": NEW, "old": OLD})


@pytest.fixture
async def encrypted(opened: Opener) -> Store:
    return await opened(cipher=old())


async def write_everything(store: Store) -> None:
    """Every kind of write with the marker in it."""
    secret = event(1, raw=MARKER.encode(), job_id=MARKER, time=START)
    await take(store, new(secret, "app", "kept", routing=json.dumps([MARKER])), new(event(2, job_id=MARKER), "app"))
    await take(store, new(event(1, job_id=MARKER + "other", raw=MARKER.encode()), "app"))
    store.keep_refusal(
        Refusal(
            source="live",
            code="signature_mismatch",
            detail=MARKER,
            received_at=1000,
            method="POST",
            path=f"/hooks/live?{MARKER}",
            headers=(("authorization", MARKER),),
            body=MARKER.encode(),
            size=len(MARKER),
            peer="192.0.2.1",
            verified=True,
        )
    )
    (lease, *_) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, "waiting", memo={"token": MARKER}, delay=60_000)])
    (lease, *_) = await store.claim("kept", 1, LEASE)
    await store.keep_alive(lease.delivery, lease.token, LEASE, {"upload": MARKER}, None)

    def replay(writer: Any) -> None:
        with writer.atomic():
            commands.replay(writer, event(2).id, ["app"], commands.Asked(json.dumps([MARKER]), "me"), frozenset())

    await store.write(replay)


def dump(url: str) -> bytes:
    """Everything that is stored, as bytes."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        return b"".join(one.read_bytes() for one in path.parent.glob(path.name + "*"))
    beside = session(url)
    try:
        names = beside.rows(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        rows = [beside.rows(f"SELECT * FROM {name}") for (name,) in names]
        return b"\n".join(
            cell if isinstance(cell, bytes) else str(cell).encode() for table in rows for row in table for cell in row
        )
    finally:
        beside.close()


async def test_after_every_kind_of_write_no_content_stands_in_the_store(encrypted: Store, url: str) -> None:
    await write_everything(encrypted)
    stored = dump(url)
    assert MARKER.encode() not in stored
    assert event(1).id.encode() in stored  # an id is no secret


@pytest.mark.plain_rows
async def test_without_keys_the_same_writes_stand_there_in_plain(opened: Opener, url: str) -> None:
    await write_everything(await opened())
    assert dump(url).count(MARKER.encode()) >= 8  # else the test before this one finds nothing whatever is done


async def test_what_was_sealed_is_read_back_whole(encrypted: Store) -> None:
    await write_everything(encrypted)
    (lease,) = [one for one in await encrypted.claim("app", 9, LEASE) if one.event.id == event(2).id]
    assert lease.event.job_id == MARKER
    full = await encrypted.ask(lambda reader: event_full.full(reader, event(1).id))
    assert (full.raw, json.loads(full.routing)) == (MARKER.encode(), [MARKER])
    assert json.loads(full.body)["data"]["job_id"] == MARKER
    assert full.row.time == json.loads(full.body)["time"]
    (refused,) = await encrypted.ask(lambda reader: pages.refused(reader, source=None, limit=9, before=None))
    assert (refused.refusal.detail, refused.refusal.body) == (MARKER, MARKER.encode())
    assert refused.refusal.headers == (("authorization", MARKER),)


async def test_a_memo_comes_back_with_the_next_claim(opened: Opener, clock: FrozenClock) -> None:
    store = await opened(cipher=old())
    await take(store, new(1, "app"))
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, "waiting", memo={"token": MARKER}, delay=1000)])
    clock.advance(2)
    (again,) = await store.claim("app", 1, LEASE)
    assert again.memo == {"token": MARKER}


COLUMNS = ["body", "raw", "routing"]


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_value_opens_in_no_other_row(encrypted: Store, url: str, column: str) -> None:
    await take(encrypted, new(event(1, raw=b"one"), routing="[1]"), new(event(2, raw=b"two"), routing="[2]"))
    await encrypted.write(
        lambda writer: writer.change(
            f"UPDATE events SET {column} = (SELECT o.{column} FROM events o WHERE o.id = :from_) WHERE id = :to",
            {"from_": event(1).id, "to": event(2).id},
        )
    )
    with pytest.raises(ValueUnreadable, match=f"events.{column} cannot be opened: it was changed"):
        await encrypted.ask(lambda reader: event_full.full(reader, event(2).id))
    assert (await encrypted.ask(lambda reader: event_full.full(reader, event(1).id))).raw == b"one"


async def test_a_delivery_of_a_value_that_was_changed_ends_dead_and_the_others_go_on(
    encrypted: Store, url: str
) -> None:
    await take(encrypted, new(1, "app"), new(2, "app"))
    await encrypted.write(
        lambda writer: writer.change("UPDATE events SET body = body || 'A' WHERE id = :id", {"id": event(1).id})
    )
    assert [one.event.id for one in await encrypted.claim("app", 9, LEASE)] == [event(2).id]
    assert "cannot be opened" in table(url, "last_error", "deliveries WHERE state = 'dead'")[0][0]


async def test_what_a_vendor_sends_may_look_sealed(opened: Opener) -> None:
    store = await opened()
    await take(store, new(event(1, raw=b"~old~\x00\x01"), "app"))
    (lease,) = await store.claim("app", 1, LEASE)
    assert lease.event.raw == b"~old~\x00\x01"


async def test_a_store_does_not_open_without_its_key_and_says_which(encrypted: Store, opened: Opener, url: str) -> None:
    await take(encrypted, new(1, "app"))
    await encrypted.close()
    for cipher in (None, Cipher({"new": NEW})):
        with pytest.raises(StoreKeyMissing, match=r"encrypted with the key 'old', not among store\.encryption"):
            await opened(cipher=cipher)
        with StoreAdmin(url, cipher=cipher) as admin, pytest.raises(StoreKeyMissing, match="'old'"):
            admin.events()
    with pytest.raises(StoreKeyMissing, match="another key by the name 'old'"):
        await opened(cipher=Cipher({"old": NEW}))


async def test_with_a_lost_key_the_rest_goes_on(encrypted: Store, opened: Opener, url: str) -> None:
    await take(encrypted, new(1, "app"))
    await encrypted.close()
    store = await opened(cipher=Cipher({"new": NEW}, lost=["old"]))
    await take(store, new(2, "app"))
    assert [one.event.id for one in await store.claim("app", 9, LEASE)] == [event(2).id]
    (error,) = table(url, "last_error", "deliveries WHERE state = 'dead'")[0]
    assert "the key 'old', which store.encryption.lost says is lost" in error
    assert len(await store.ask(lambda reader: pages.refused(reader, source=None, limit=1, before=None))) == 0
    with StoreAdmin(url, cipher=Cipher({"new": NEW}, lost=["old"])) as admin:
        assert {row.id for row in admin.events()} == {event(1).id, event(2).id}  # a list opens nothing
    await store.write(lambda writer: recording_joins.follow(writer, 9))
    shown = await store.ask(
        lambda reader: recording_pages.page(reader, recording_pages.RecordingFilter(), limit=9, before=None)
    )
    assert [[one.ref for one in row.events] for row in shown] == [[event(2).id]]


async def scrubbed(url: str) -> None:
    """A gateway looks four times a second."""
    await eventually(lambda: not table(url, "value", "meta WHERE name = 'scrub'"))


async def test_people_work_on_a_sealed_store_as_on_any(encrypted: Store, url: str, clock: FrozenClock) -> None:
    await write_everything(encrypted)
    with StoreAdmin(url, cipher=old(), clock=clock) as admin:
        assert json.loads(admin.event(event(2).id).body)["data"]["job_id"] == MARKER
        assert admin.refused()[0].refusal.path == f"/hooks/live?{MARKER}"
        assert admin.replay(event(1).id, routing=json.dumps([MARKER])) is not None
        admin.erase(event(1).id)
        assert [row.id for row in admin.events()] == [event(2).id]
    assert MARKER.encode() not in dump(url)


@pytest.fixture(autouse=True)
def _library() -> None:
    pytest.importorskip("cryptography", reason="cryptography (extra encryption) is not installed")
