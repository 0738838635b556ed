"""`gateway store`: verified beside a gateway that may run; what is wrong is said with its row, in 80 columns."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.store.store import Store
from tests.cli.conftest import Cli
from tests.cli.stocked import accept, an_event, stock, wanted


async def three(store: Store) -> None:
    await accept(store, *(wanted(an_event(number=n)) for n in range(3)))


def test_a_sound_store_is_said_to_be_and_a_broken_promise_ends_with_1(cli: Cli, configured: Path) -> None:
    stock(configured, three)
    assert cli("store", "verify").stdout == "every promise of the outbox holds\n"
    with closing(sqlite3.connect(configured / "gateway.db", isolation_level=None)) as file:
        file.execute("UPDATE deliveries SET state = 'dead', sink = sink || char(27) || hex(zeroblob(60)) WHERE id = 2")
    told = cli("store", "verify", code=1).stdout
    assert told.startswith("reason: delivery 2 to lines")
    assert told.endswith("1 violations\n")
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= 80
    document = json.loads(cli("store", "verify", "--json", code=1).stdout)
    assert document["counts"] == {"reason": 1}
    assert [(one["rule"], one["row"]) for one in document["violations"]] == [("reason", "deliveries 2")]
