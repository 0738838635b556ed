"""A store that a released version left is opened by every later one; one of an earlier development state is refused by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway.errors import SchemaMismatch
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine import migrations
from gateway.store.engine.dialects import WORDS
from gateway.store.engine.session import Session
from gateway.store.sqlite.session import SqliteSession, make_file
from gateway.text.store_address import parse_address
from tests.store import old_stores
from tests.store.conftest import Opener
from tests.store.kit import LEASE, act, beside, new, session, settlement, states, table, take

VERSIONS = range(1, migrations.VERSION + 1)
# The digest of the steps up to each version, as every store of that version has noted it. A new step gets a new line here;
# a line that is here never changes.
SHAPES = {1: "05044ac73b2e1ce2"}
FILES = {(1, "sqlite"): "2d69650333a467db", (1, "postgresql"): "205d7eda22fab753"}  # as each database was left by it


@pytest.fixture
def url(untouched: str) -> str:
    """Here the making of the tables itself is looked at."""
    return untouched


def made(url: str, clock: FrozenClock, version: int) -> None:
    """The store of a version, at an address where nothing is yet."""
    address = parse_address(url)
    opened: Session
    if address.backend == "sqlite":
        make_file(Path(address.path))
        opened = SqliteSession(address.path, "writer", clock)
    else:
        opened = session(url, clock)
    old_stores.put(opened, version)
    opened.close()


@pytest.mark.whole_server
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_store_of_every_version_is_opened_and_its_deliveries_go_on(
    version: int, opened: Opener, url: str, clock: FrozenClock
) -> None:
    made(url, clock, version)
    store = await opened()
    [lease] = await store.claim("app", 10, LEASE)
    assert (lease.event.source, lease.attempt) == ("live", 2)
    assert await store.settle([settlement(lease)]) == [True]
    assert (await store.gates())["other"].paused
    assert (await take(store, new(2)))[0].new
    await store.close()
    assert states(url) == [("app", "delivered"), ("other", "delivered")]
    with StoreAdmin(url, clock=clock) as admin:
        _, row = admin.events()
        assert (row.ref, row.subject) == ("0123456789abcdef", "s")
        assert admin.refusal(1).refusal.code == "untrusted"
        assert [one.act for one in admin.audit()] == ["sinks pause"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_version_left_has_the_tables_of_a_fresh_store_when_it_is_brought_forward(
    version: int, url: str, clock: FrozenClock
) -> None:
    made(url, clock, version)
    with beside(url, clock) as brought:
        assert migrations.migrate(brought, "x") == (version, migrations.VERSION)
        migrations.require(brought, "x")


def test_a_version_never_changes_its_shape() -> None:
    assert {version: migrations.shape(version) for version in VERSIONS} == SHAPES, (
        "stores of these versions are kept by people: add a step to `migrations.STEPS`, its digest to SHAPES, and write its "
        "files by `python -m tests.store.old_stores`"
    )
    kept = {(version, backend): old_stores.path_of(version, backend) for version in VERSIONS for backend in WORDS}
    digests = {which: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for which, path in kept.items()}
    assert digests == FILES, "the words of a database, or a file, of a version that people have: add a step"


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_steps_of_a_version_are_those_it_was_kept_with(version: int, backend: str) -> None:
    kept = old_stores.path_of(version, backend).read_text().split(old_stores.BETWEEN)
    assert kept[: len(old_stores.tables(version, backend))] == old_stores.tables(version, backend), (
        "a version never changes: add a step, and write the files of its own by `python -m tests.store.old_stores`"
    )


@pytest.mark.parametrize(
    "change", ["DELETE FROM meta WHERE name = 'shape'", "UPDATE meta SET value = 'x' WHERE name = 'shape'"]
)
async def test_a_store_of_an_earlier_development_state_is_refused_by_name(
    change: str, opened: Opener, url: str, clock: FrozenClock
) -> None:
    await (await opened()).close()
    act(url, clock, change)
    said = r"made by an earlier development state of version 1.*move it away"
    with pytest.raises(SchemaMismatch, match=said):
        await opened()
    with beside(url) as reader, pytest.raises(SchemaMismatch, match=said):
        migrations.require(reader, "x")
    assert table(url, "value", "meta WHERE name = 'schema'") == [("1",)]
