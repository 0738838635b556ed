"""What is asked of all seals of a batch at once is what each would be told alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.clock import Clock
from gateway.store.engine.batch import EventIn
from gateway.store.engine.migrations import migrate
from gateway.store.outbox.accept import over_sealed
from gateway.store.sqlite.batch import SqliteBulk, used_seals
from gateway.store.sqlite.session import make_file
from tests.store.kit import new

_SEALS = st.lists(st.binary(min_size=1, max_size=3) | st.just(b"\0") | st.just(b"s" * 16), unique=True, max_size=12)
_numbers = count(1)


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteBulk]:
    path: Path = tmp_path_factory.mktemp("seals") / "store.db"
    make_file(path)
    session = SqliteBulk(path, Clock())
    migrate(session, "x")
    yield session
    session.close()


@given(stored=_SEALS, deleted=_SEALS, asked=_SEALS)
def test_a_seal_is_used_where_another_content_came_under_it(
    lite: SqliteBulk, stored: list[bytes], deleted: list[bytes], asked: list[bytes]
) -> None:
    for table in ("events", "remembered"):
        lite.change(f"DELETE FROM {table}")
    lite.insert([EventIn(new(next(_numbers), seal=seal)) for seal in stored], "")
    for seal in deleted:
        values = {"id": str(next(_numbers)), "seal": seal}
        lite.change(
            "INSERT INTO remembered (id, source, fingerprint, trust, held, seal, seen_at) "
            "VALUES (:id, 'live', x'00', 0, 0, :seal, 1)",
            values,
        )
    alone = {seal for seal in asked if over_sealed(lite, new(next(_numbers), seal=seal, seal_most=1))}
    assert used_seals(lite, asked) == alone == set(asked) & {*stored, *deleted}


def test_seals_of_one_batch_count_among_each_other(lite: SqliteBulk) -> None:
    number = next(_numbers)
    rows = [EventIn(new(number + n, seal=b"of one batch", seal_most=2)) for n in range(4)]
    kept = lite.insert(rows, "")
    assert [one is None for one in kept] == [False, False, True, True]
