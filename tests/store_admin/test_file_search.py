"""Where is lecture-3.mp4? Events are found by a part of a file's name or address, and by nothing that only few may see."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.model import Archived, File, Storage
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import pages
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine.cipher import Cipher
from gateway.store.store import Store
from tests.store.kit import event, new, take

_URL = "https://user:door@cdn.example.com/live/lecture-3.mp4?auth_key=1700-secret#part"
_CHINESE = "https://cdn.example.com/%E8%AF%BE%E7%A8%8B-7.mp4"


async def _stored(store: Store) -> None:
    files: Sequence[File] = (
        File(download_url=_URL),
        File(play_url=_CHINESE),
        File(storage=Storage(bucket="b", key='录像/a "b".mp4')),
        File(archived=Archived(url="s3://bucket/copies/lecture-30.ts"), asset_id="asset-9"),
    )
    await take(store, *(new(event(n, files=(one,))) for n, one in enumerate(files, 1)))
    await take(store, new(event(9, stream="lecture-3.mp4")))  # a stream of that name is no file


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("lecture-3.mp4", [1]),
        ("lecture-3", [4, 1]),
        ("cdn.example.com/live/", [1]),
        ("%E8%AF%BE", [2]),
        ("课程-7", [2]),
        ("课程", [2]),
        ('录像/a "b"', [3]),
        ("copies/", [4]),
        ("asset-9", [4]),
        ("LECTURE-3", []),
        ("auth_key", []),
        ("1700-secret", []),
        ("door", []),
        ("nothing-like-it", []),
        ("*", []),
    ],
)
async def test_an_event_is_found_by_its_file(store: Store, admin: StoreAdmin, file: str, wanted: Sequence[int]) -> None:
    await _stored(store)
    assert [int(row.id, 16) for row in admin.events(file=file)] == wanted


async def test_beside_other_filters_both_hold(store: Store, admin: StoreAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_WINDOW_ROWS", 2)  # so that a search takes several statements
    await _stored(store)
    assert [int(row.id, 16) for row in admin.events(file="lecture-3", type="recording.file.*")] == [4, 1]
    assert [int(row.id, 16) for row in admin.events(file="lecture-3", state="unrouted", limit=1)] == [4]
    assert not admin.events(file="lecture-3", type="recording.started")
    assert not admin.events(file="lecture-3", state="dead")
    assert [int(row.id, 16) for row in admin.events(file="lecture-3", after=2)] == [4]


async def test_of_encrypted_events_too(url: str, clock: FrozenClock) -> None:
    pytest.importorskip("cryptography", reason="cryptography (extra encryption) is not installed")
    cipher = Cipher({"key": bytes(range(32))})
    store = Store(url, clock=clock, cipher=cipher)
    await store.open(lock_wait=0)
    await _stored(store)
    with StoreAdmin(url, clock=clock, cipher=cipher) as admin:
        assert [int(row.id, 16) for row in admin.events(file="lecture-3")] == [4, 1]
        assert [int(row.id, 16) for row in admin.events(file="课程")] == [2]
        assert not admin.events(file="secret")
    await store.close()
