"""`stream` means streams: not the domain or app before them, and a stream with slashes in it whole."""

from __future__ import annotations

import pytest

from gateway.model import stream_of
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.pages import of_stream
from gateway.store.store import Store
from tests.store.kit import event, new, take
from tests.store_admin.acts import ME

STREAMS = ["vip-1", "team a/b sync", "s3", "lesson/"]


@pytest.mark.parametrize(
    ("subject", "stream"),
    [
        ("push.example.com/live/s1", "s1"),
        ("push.example.com/live/a/b", "a/b"),
        ("push.example.com/live/a/", "a/"),
        ("push.example.com/s1", "s1"),
        ("live/s1", "s1"),
        ("localhost/live/s1", "s1"),
        ("s1", "s1"),
        ("", ""),
    ],
)
def test_the_stream_is_what_stands_behind_domain_and_app(subject: str, stream: str) -> None:
    assert stream_of(subject) == stream


@pytest.mark.parametrize(
    ("subject", "glob", "fits"),
    [
        ("vip.example.com/vip-app/s1", "vip*", False),
        ("vip.example.com/vip-app/s1", "vip-app", False),
        ("vip.example.com/live/vip-1", "vip*", True),
        ("vip.example.com/live/vip-1", "*", True),
        ("vip.example.com/live/team a/b", "team*", True),
        ("vip.example.com/live/team a/b", "live/team*", True),
        ("live/s1", "live*", False),
        ("team a/b", "team a/*", True),  # of a source without domain and app: the slash says that it is meant
        ("team a/b", "b", True),
    ],
)
def test_a_glob_of_streams_leaves_domains_and_apps_alone(subject: str, glob: str, fits: bool) -> None:
    assert of_stream(subject, glob) is fits


async def test_whatever_is_done_to_streams_is_done_to_no_others(store: Store, admin: StoreAdmin) -> None:
    """The worst of them is `events erase --stream 'push*'`, which meant every event of the domain push.example.com."""
    await take(store, *[new(event(n, stream=stream), "app") for n, stream in enumerate(STREAMS, 1)])
    for elsewhere in ("push*", "live", "liv*"):
        assert not admin.events(stream=elsewhere)
        assert not admin.deliveries(stream=elsewhere)
        assert not admin.events(q=elsewhere.rstrip("*"))
    for beginning in ("vip", "team a", "lesson/"):
        [found] = admin.events(q=beginning)
        assert found.ref == admin.events(stream=f"{beginning}*")[0].ref


@pytest.mark.parametrize(
    ("stream", "asked"), [("lesson/", "lesson/"), ("lesson/7/ann", "7/ann"), ("lesson/7/ann/", "7/ann/")]
)
async def test_an_erased_stream_with_slashes_stands_in_no_filter_that_asked_for_it_or_its_end(
    store: Store, admin: StoreAdmin, stream: str, asked: str
) -> None:
    await take(store, new(event(1, stream=stream), "app"))
    filter = DeliveryFilter(stream=asked)
    assert admin.cancel_many(admin.choose(filter), filter=filter, actor=ME)
    assert [row for row in admin.audit() if asked in str(row.filter)]
    admin.erase(admin.events(stream=asked)[0].ref, actor=ME)
    assert not [row for row in admin.audit() if asked in str(row.filter)]
