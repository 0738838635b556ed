"""A value that does not fit its column, and options that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway import (
    RECORDING_FAILED,
    Refused,
)
from gateway.testing import NOW, delivery, event
from plugins.sinks.database import Database
from tests.sinks.database.columns import COLUMNS, TABLES
from tests.sinks.database.conftest import Place, making

# --- one event that does not fit ---------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, Any, str]] = {
    "long text": ("title", "'12345678901'", "a text of 11 characters, and it holds 10"),
    "large": ("seconds", "3000000000", "out of its range, -2147483648 to 2147483647"),
    "digits": ("price", "10000.0", "4 digits before the point"),
    "truth": ("hot", "'yes'", "a text, and it holds true or false"),
    "time": ("at", "7", "a whole number, and it holds times"),
    "number": ("price", "true", "true or false, and it holds numbers"),
    "null": ("number", "null", "is part of the key"),
    "expression": ("seconds", "1 / 0", "its expression fails on this event: ZeroDivisionError"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_value_that_does_not_fit_is_refused_naming_the_column(name: str, place: Place) -> None:
    column, value, said = WRONG[name]
    if name == "truth" and place.kind == "mysql":
        said = "a text, and it holds whole numbers"  # as it knows no BOOLEAN
    if place.kind == "sqlite" and name in {"long text", "large", "digits"}:
        pytest.skip("SQLite has no such limit")
    place.run(TABLES[place.kind])
    good = COLUMNS[column]
    columns = {**COLUMNS, column: f"event.type == 'recording.failed' ? {value} : dyn({good})"}
    async with making(place.url, table="media", columns=columns, key=["event", "number"]) as sink:
        results = await sink.deliver_batch(
            [delivery(event()), delivery(event(RECORDING_FAILED)), delivery(event(number=2))]
        )
    assert [type(result) for result in results] == [str, Refused, str], results
    assert f"column {column}" in str(results[1])
    assert said in str(results[1])
    assert len(place.run("SELECT * FROM media")) == 2


async def test_emoji_in_a_narrow_charset_is_refused_by_the_columns_name(mysql: Place) -> None:
    mysql.run(
        "CREATE TABLE media (id VARCHAR(64) PRIMARY KEY, title VARCHAR(40) CHARACTER SET latin1, t TINYTEXT, s TIMESTAMP NULL)"
    )
    columns = {"id": "event.id", "title": "event.data.stream", "t": "event.data.app", "s": "event.time"}
    async with making(mysql.url, table="media", columns=columns) as sink:
        with pytest.raises(Refused, match=r"1366 .*title") as refused:
            await sink.deliver(delivery(event(stream="🎬")))
        assert "🎬" not in refused.value.detail
        assert "xF0" not in refused.value.detail
        with pytest.raises(Refused, match="a text of 300 bytes, and it holds 255"):
            await sink.deliver(delivery(event(app="é" * 150)))
        with pytest.raises(Refused, match="1970 to 2037"):
            await sink.deliver(delivery(event(time=NOW.replace(year=2040))))


# --- what `gateway check` says -----------------------------------------------------------------------------------------

OURS = {"url": "sqlite:///x.db"}


MAPPED = {**OURS, "columns": {"id": "event.id", "w": "file.width"}}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "column name": ({**OURS, "columns": {"'; drop table events;--": "event.id"}}, "a name of letters, digits and _"),
    "long name": ({**OURS, "columns": {"x" * 64: "event.id"}}, "a name of letters, digits and _"),
    "table name": ({**OURS, "table": "a.b.c"}, "a table or schema.table"),
    "table injection": ({**OURS, "table": "x; drop"}, "a table or schema.table"),
    "syntax": ({**OURS, "columns": {"id": "event.id +"}}, "a CEL expression: "),
    "field": ({**OURS, "columns": {"id": "event.id", "w": "file.widht"}}, "did you mean 'width'?"),
    "file of an event": ({**MAPPED, "rows": "event"}, "there is no name 'file'"),
    "no columns": ({**OURS, "columns": {}}, "at least one column"),
    "no identity": ({**OURS, "columns": {"w": "file.width"}}, "event.id"),
    "twice": ({**OURS, "columns": {"id": "event.id", "ID": "event.id"}}, "is there twice"),
    "key": ({**MAPPED, "key": ["ids"]}, "`key`: `ids` is not in `columns`; did you mean 'id'?"),
    "key twice": ({**MAPPED, "key": ["id", "id"]}, "each column of `key` once"),
    "version": ({**MAPPED, "version": "when"}, "`version`: `when` is not in `columns`"),
    "key of ours": ({**OURS, "key": "job"}, "no column `job`; did you mean 'job_id'?"),
    "version of ours": ({**OURS, "version": "received_at"}, "`version` only with `columns`"),
    "password of a file": ({**OURS, "password": "x"}, "no `password` for a SQLite file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_in_the_options_is_found_before_anything_runs(name: str) -> None:
    options, said = BAD[name]
    with pytest.raises(ValidationError) as refused:
        Database.Options.model_validate(options)
    assert said in str(refused.value)
