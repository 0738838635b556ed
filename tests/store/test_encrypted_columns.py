"""Which columns are encrypted is said, column by column: by the code, by docs/operations.md, and by a store that is full."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.model import Progress
from gateway.store.engine.cipher import MARK
from gateway.store.engine.encrypted_rows import ENCRYPTED
from gateway.store.engine.tables import schema
from tests.store.conftest import Opener
from tests.store.kit import LEASE, beside, new, take
from tests.store.test_encrypted import old, write_everything

PAGE = Path(__file__).resolve().parents[2] / "docs/operations.md"
ROW = re.compile(r"^\| `(\w+)` \| ?((?:`\w+` ?)*)\| ((?:`\w+` ?)+)\|$", re.M)


def said() -> dict[str, tuple[list[str], list[str]]]:
    """The encrypted and the plain columns of each table, as the page has them."""
    chapter = PAGE.read_text().partition("## Encryption at rest")[2].partition("\n## ")[0]
    names = re.compile(r"`(\w+)`").findall
    return {table: (names(encrypted), names(plain)) for table, encrypted, plain in ROW.findall(chapter)}


def test_the_page_has_every_column_of_the_schema() -> None:
    tables = schema().tables
    assert said() == {
        name: (
            list(ENCRYPTED.get(name, ())),
            [column for column in table.columns if column not in ENCRYPTED.get(name, ())],
        )
        for name, table in tables.items()
    }
    assert ENCRYPTED.keys() <= tables.keys()


async def test_in_a_full_store_these_columns_and_no_others_are(opened: Opener, url: str) -> None:
    pytest.importorskip("cryptography", reason="cryptography (extra encryption) is not installed")
    store = await opened(cipher=old())
    await write_everything(store)
    await take(store, new(7).replace(redacted=True), new(8, "long"))
    [lease] = await store.claim("long", 1, LEASE)
    await store.keep_alive(lease.delivery, lease.token, LEASE, {"at": 1}, Progress(text="half"))
    marked: dict[str, set[str]] = {}
    with beside(url) as session:
        for name, table in schema().tables.items():
            kinds = dict(zip(table.columns, table.kinds, strict=True))
            for row in session.rows(f"SELECT {', '.join(table.columns)} FROM {name}"):
                for column, value in zip(table.columns, row, strict=True):
                    if kinds[column] == "int" or value in (None, "", b""):
                        continue
                    if (value if isinstance(value, str) else bytes(value).decode("latin-1")).startswith(MARK):
                        marked.setdefault(name, set()).add(column)
                    elif column in ENCRYPTED.get(name, ()):
                        raise AssertionError(f"{name}.{column} holds {value!r}")
    assert marked == {**{name: set(columns) for name, columns in ENCRYPTED.items()}, "meta": {"value"}}
