"""An encrypted store taken elsewhere: what is encrypted goes along as it is, is opened by the same keys alone, and verified there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import StoreKeyMissing, ValueUnreadable
from gateway.store.admin import event_full
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine.cipher import Cipher
from gateway.store.outbox import key_change
from gateway.store.records import NewEvent
from gateway.store.store import Store
from gateway.store.transfer import transfers
from gateway.text.store_address import parse_address
from tests.store.conftest import Opener
from tests.store.kit import event, new, table, take
from tests.store.test_encrypted import MARKER, NEW, OLD, both, dump, old, write_everything
from tests.store.test_key_changes import keys_of_rows
from tests.store.test_transfer import silent


def copied(url: str, to: str) -> str:
    transfers.copy(parse_address(url), parse_address(to), silent)
    return to


def through_a_file(url: str, to: str) -> str:
    lines = io.BytesIO()
    transfers.export_to(parse_address(url), lines.write, silent)
    assert MARKER.encode() not in lines.getvalue()
    transfers.import_from(parse_address(to), io.BytesIO(lines.getvalue()), "the file", silent)
    return to


def redacted(number: int) -> NewEvent:
    return new(number).replace(redacted=True)


async def filled(store: Store) -> Store:
    """Everything there may be, and an event whose fingerprint is keyed."""
    await write_everything(store)
    await take(store, redacted(7))
    return store


def verified(url: str, cipher: Cipher) -> list[str]:
    """What verify says, but of the verdict that is none."""
    with StoreAdmin(url, cipher=cipher) as admin:
        texts = [one.text for one in admin.violations()]
    return [text for text in texts if not text.endswith("what its routes said cannot be read")]


async def readable(opened: Opener, url: str, cipher: Cipher) -> None:
    """All of it, and a repeat of what is redacted is one."""
    store = await opened(url=url, cipher=cipher)
    full = await store.ask(lambda reader: event_full.full(reader, event(1).id))
    assert (full.raw, json.loads(full.routing)) == (MARKER.encode(), [MARKER])
    [again] = await take(store, redacted(7))
    assert (again.new, again.variant, again.held) == (False, "", None)
    await store.close()


@pytest.mark.parametrize("way", [copied, through_a_file])
async def test_it_is_opened_there_by_the_same_key_alone(
    open_at: Opener, tmp_path: Path, postgres_store_url: str, way: Callable[[str, str], str]
) -> None:
    first = f"sqlite:///{tmp_path}/first.db"
    await (await filled(await open_at(url=first, cipher=old()))).close()
    there = way(first, postgres_store_url)
    back = way(there, f"sqlite:///{tmp_path}/back.db")
    for url in (there, back):
        assert MARKER.encode() not in dump(url)
        with pytest.raises(StoreKeyMissing, match="encrypted with the key 'old', not among"):
            await open_at(url=url, cipher=Cipher({"new": NEW}))
        with pytest.raises(StoreKeyMissing, match="another key by the name 'old'"):
            await open_at(url=url, cipher=Cipher({"old": NEW}))
        await readable(open_at, url, old())
        assert verified(url, old()) == []


async def test_a_change_of_the_key_that_is_half_done_goes_on_where_it_is_taken(
    open_at: Opener, tmp_path: Path, postgres_store_url: str
) -> None:
    first = f"sqlite:///{tmp_path}/first.db"
    await (await filled(await open_at(url=first, cipher=old()))).close()
    store = await open_at(url=first, cipher=both())
    half = await store.write(lambda writer: key_change.step(writer, 2))
    assert half is not None
    assert half.ended_at is None
    await store.close()
    there = copied(first, postgres_store_url)
    assert verified(there, both()) == []
    lost = Cipher({"new": NEW}, lost=["old"])
    assert {"'old', which store.encryption.lost says is lost" in text for text in verified(there, lost)} == {True}
    store = await open_at(url=there, cipher=both())
    await store.reencrypt()
    await store.close()
    assert keys_of_rows(there) == {"new"}
    [(kept,)] = table(there, "value", "meta WHERE name = 'fingerprint_key'")
    assert kept.startswith("~new~")
    await readable(open_at, there, Cipher({"new": NEW}))  # the old key may go
    assert verified(there, Cipher({"new": NEW})) == []


async def test_a_backup_is_a_store_that_the_same_key_opens(open_at: Opener, tmp_path: Path) -> None:
    store = await filled(await open_at(url=f"sqlite:///{tmp_path}/first.db", cipher=old()))
    transfers.backup(parse_address(f"sqlite:///{tmp_path}/first.db"), tmp_path / "backup.db", silent)
    await store.close()
    assert MARKER.encode() not in (tmp_path / "backup.db").read_bytes()
    with pytest.raises(StoreKeyMissing, match="'old'"):
        await open_at(url=f"sqlite:///{tmp_path}/backup.db", cipher=Cipher({"new": NEW}))
    await readable(open_at, f"sqlite:///{tmp_path}/backup.db", old())


async def test_where_the_key_of_fingerprints_is_lost_a_repeat_counts_as_other_content_and_the_rest_goes_on(
    open_at: Opener, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/first.db"
    await (await filled(await open_at(url=url, cipher=old()))).close()
    store = await open_at(url=url, cipher=Cipher({"new": NEW}, lost=["old"]))
    [again, fresh] = await take(store, redacted(7), redacted(8))
    assert (again.held, fresh.new) == ("conflict", True)
    [repeated] = await take(store, redacted(8))
    assert (repeated.new, repeated.held) == (False, None)
    with pytest.raises(ValueUnreadable, match=r"which store\.encryption\.lost says is lost"):
        await store.ask(lambda reader: event_full.full(reader, event(1).id))
    assert bytes(OLD).hex() not in str(table(url, "value", "meta"))


@pytest.fixture(autouse=True)
def _library() -> None:
    pytest.importorskip("cryptography", reason="cryptography (extra encryption) is not installed")
