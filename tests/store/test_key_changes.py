"""A key of the store changes while gateways run: everything is encrypted anew, once, to the end, and none is left behind."""

from __future__ import annotations

import json
import re

import pytest

from gateway.errors import StoreError, StoreKeyMissing
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import event_full
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine.cipher import Cipher
from gateway.store.outbox import key_change
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.kit import event, new, table, take
from tests.store.test_encrypted import MARKER, NEW, OLD, both, dump, old, scrubbed, write_everything


@pytest.fixture
async def encrypted(opened: Opener) -> Store:
    return await opened(cipher=old())


def keys_of_rows(url: str) -> set[str]:
    texts = [*table(url, "body", "events"), *table(url, "routing", "events"), *table(url, "headers", "refused")]
    texts += [*table(url, "routing", "verdicts"), *table(url, "memo", "deliveries WHERE memo IS NOT NULL")]
    raw = [bytes(one).decode("latin-1") for (one,) in table(url, "raw", "events")]
    matches = [re.match("~(.*?)~", text) for text in (*raw, *(text for (text,) in texts))]
    return {"" if match is None else match[1] for match in matches}


@pytest.mark.parametrize("before", [None, "old"], ids=["from plain", "from another key"])
@pytest.mark.plain_rows
async def test_a_sweep_seals_anew_what_stands_under_another_key(opened: Opener, url: str, before: str | None) -> None:
    store = await opened(cipher=old() if before else None)
    await write_everything(store)
    await store.close()
    store = await opened(cipher=both())
    await store.reencrypt()
    assert keys_of_rows(url) == {"new"}
    full = await store.ask(lambda reader: event_full.full(reader, event(1).id))
    assert (full.raw, json.loads(full.routing)) == (MARKER.encode(), [MARKER])
    await scrubbed(url)
    await store.close()
    if url.startswith("sqlite"):  # dead rows of PostgreSQL go with its VACUUM
        assert MARKER.encode() not in dump(url)
    await opened(cipher=Cipher({"new": NEW}))  # the old key may go
    with StoreAdmin(url, cipher=both()) as admin:
        report = admin.cipher_keys()
    assert [(key.name, key.may_go) for key in report.keys] == [("new", False), ("old", True)]
    assert report.keys[0].rows == {"events": 3, "verdicts": 1, "deliveries": 2, "refused": 1}


async def test_a_change_of_the_key_goes_on_where_it_was(encrypted: Store, opened: Opener, url: str) -> None:
    for number in range(1, 8):
        await take(encrypted, new(number, "app"))
    await encrypted.close()
    store = await opened(cipher=both())
    for _ in range(2):
        step = await store.write(lambda writer: key_change.step(writer, 2))
    assert step is not None
    assert (step.after, step.rows, step.ended_at) == (4, 4, None)
    await store.close()
    store = await opened(cipher=both())
    step = await store.write(lambda writer: key_change.step(writer, 2))
    assert step is not None
    assert (step.after, step.rows) == (6, 6)
    await store.reencrypt()
    assert keys_of_rows(url) == {"new"}
    assert await store.write(lambda writer: key_change.step(writer, 2)) is None  # it has ended


async def test_a_gateway_whose_key_is_older_changes_nothing_back(
    encrypted: Store, opened: Opener, url: str, clock: FrozenClock
) -> None:
    await take(encrypted, new(1))
    await encrypted.close()
    store = await opened(cipher=both())
    await store.write(lambda writer: key_change.step(writer, 1))  # of several: it is under way
    await store.close()
    with StoreAdmin(url, cipher=Cipher({"old": OLD, "new": NEW}), clock=clock) as admin:
        assert admin.ask(lambda reader: reader.cipher is not None and reader.cipher.first) == "old"
        assert admin._connections.change(lambda writer: key_change.step(writer, 1)) is None
    assert keys_of_rows(url) == {"new"}


async def test_what_a_gateway_that_has_the_older_key_still_stores_is_encrypted_anew_by_a_later_pass(
    encrypted: Store, opened: Opener, url: str, clock: FrozenClock
) -> None:
    await take(encrypted, new(1))
    await encrypted.close()
    store = await opened(
        cipher=Cipher({"old": OLD, "new": NEW})
    )  # a rollout: the new key is to come first here too, later

    def may_go() -> bool:
        with StoreAdmin(url, cipher=both(), clock=clock) as admin:
            return next(key.may_go for key in admin.cipher_keys().keys if key.name == "old")

    with StoreAdmin(url, cipher=both(), clock=clock) as admin:
        admin.encrypt_anew()
    assert may_go()
    await take(store, new(2))
    await store.reencrypt()  # which is not its to do
    assert keys_of_rows(url) == {"old", "new"}
    await store.close()
    with pytest.raises(StoreKeyMissing, match="'old'"):
        await opened(cipher=Cipher({"new": NEW}))
    store = await opened(cipher=both())
    await store.reencrypt()
    assert keys_of_rows(url) == {"old", "new"}  # not each minute, because a pass reads everything
    clock.advance(key_change.NEXT_PASS_MS / 1000)
    await store.reencrypt()
    assert keys_of_rows(url) == {"new"}
    assert may_go()


async def test_several_gateways_are_looked_through_until_a_pass_finds_nothing(
    encrypted: Store, opened: Opener, url: str, clock: FrozenClock
) -> None:
    await take(encrypted, new(1))
    await encrypted.close()
    store = await opened(cipher=both())
    began = []
    for _ in range(4):
        await store.reencrypt()
        clock.advance(key_change.NEXT_PASS_MS / 1000)
        with StoreAdmin(url, cipher=both(), clock=clock) as admin:
            state = admin.cipher_keys().pass_
        assert state is not None
        began.append((state.began_at, state.rows))
    assert [rows for _, rows in began] == ([1, 0, 0, 0] if url.startswith("postgresql") else [1, 1, 1, 1])
    assert len(set(began)) == (2 if url.startswith("postgresql") else 1)


@pytest.mark.parametrize("older", [False, True], ids=["the same key", "an older key"])
async def test_a_person_beside_a_gateway_that_goes_on_with_the_same_pass_comes_to_an_end(
    encrypted: Store, opened: Opener, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, older: bool
) -> None:
    await take(encrypted, new(1), new(2))
    await encrypted.close()
    store = await opened(cipher=both())
    monkeypatch.setattr("gateway.store.admin.admin.REENCRYPT_ROWS", 1)
    given = Cipher({"old": OLD, "new": NEW}) if older else both()
    with StoreAdmin(url, cipher=both(), clock=clock) as gateways, StoreAdmin(url, cipher=given, clock=clock) as admin:

        def meanwhile(_: key_change.KeyChange) -> None:
            while (at := gateways._connections.change(lambda one: key_change.step(one, 50))) and at.ended_at is None:
                pass

        if older:
            with pytest.raises(StoreError, match="put that one first here too"):
                admin.encrypt_anew(meanwhile)
        else:
            ended = admin.encrypt_anew(meanwhile)
            assert ended is not None
            assert (ended.to, ended.rows, ended.ended_at is None) == ("new", 2, False)
    assert keys_of_rows(url) == {"new"}
    await store.close()
