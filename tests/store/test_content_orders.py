"""Contents of one event in every order, over any gateways: the same rule decides."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.model import Trust
from gateway.store.outbox.contents import CONTENTS_MAX
from gateway.store.records import Accepted, NewEvent
from tests.store.conftest import Opener
from tests.store.kit import new, table, take
from tests.store.trusts import TRUSTS, said

# -- the same rule in every order, batch and gateway -----------------------------------------------------------------


@dataclass
class Row:
    """A content as the rule has it."""

    content: tuple[str, Trust]
    held: bool
    superseded: bool = False


class Rule:
    """What the documents say, in a few lines and without a database."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], list[Row]] = defaultdict(list)
        self.seals: dict[bytes, set[tuple[Any, ...]]] = defaultdict(set)

    def take(self, source: str, number: int, content: str, trust: Trust, seal: bytes | None) -> str:
        rows = self.rows[source, number]
        named = (source, number, content)
        over = seal is not None and bool(self.seals[seal] - {named})
        same = any(row.content[0] == content for row in rows)
        standing = [row for row in rows if not row.held]
        others = max(0, len(rows) - (1 if standing else 0))
        if over:
            if same:
                return "duplicate"
            if others >= CONTENTS_MAX:
                return "full"
        elif standing and trust.rank <= max(row.content[1].rank for row in standing):
            if same:
                return "duplicate"
            if others >= CONTENTS_MAX:
                return "full"
            over = True  # held, as a conflict
        if seal is not None:
            self.seals[seal].add(named)
        if not over:
            for row in standing:
                row.superseded = True
        rows.append(Row((content, trust), held=over))
        return "held" if over else "superseding" if standing else "first"


def came_of(answer: Accepted) -> str:
    if answer.full:
        return "full"
    if answer.held is not None:
        return "held"
    if answer.supersedes:
        return "superseding"
    return "first" if answer.new else "duplicate"


@pytest.mark.parametrize("seed", range(6))
async def test_every_order_in_any_batches_over_any_gateways_follows_the_rule(
    opened: Opener, url: str, seed: int
) -> None:
    chance = random.Random(seed)
    stores = [await opened()]
    if url.startswith("postgresql"):
        stores.append(await opened())
    rule = Rule()
    seen: dict[tuple[str, int], int] = defaultdict(int)
    for _ in range(12):
        batch: list[tuple[str, int, str, Trust, bytes | None]] = [
            (
                chance.choice(["live", "edge"]),
                chance.randint(1, 2),
                chance.choice("abcdefghijklmnop"),
                chance.choice(TRUSTS),
                chance.choice([None, None, None, b"s", b"t"]),
            )
            for _ in range(chance.randint(1, 12))
        ]
        made = [
            new(said(content, trust, number, source=source), "app", seal=seal, seal_most=0 if seal is None else 1)
            for source, number, content, trust, seal in batch
        ]
        answers = await take(chance.choice(stores), *made)
        for one, answer in zip(batch, answers, strict=True):
            assert came_of(answer) == rule.take(*one), one
            seen[one[0], one[1]] += 1
    for (source, number), rows in rule.rows.items():
        where = f"events WHERE source = '{source}' AND id = '{number:032x}'"
        found = [
            (held is not None, superseded is not None)
            for _, held, superseded in table(url, "seq, held, superseded", where)
        ]
        assert found == [(row.held, row.superseded) for row in rows]


async def test_gateways_that_race_over_one_id_leave_one_that_stands(opened: Opener, url: str) -> None:
    if url.startswith("sqlite"):
        pytest.skip("one file has one gateway")
    stores = [await opened(), await opened(), await opened()]
    made: list[NewEvent] = [
        new(said(f"{n} {content}", TRUSTS[(n + content) % 4], n), "app") for n in range(8) for content in range(6)
    ]
    chance = random.Random(7)
    orders = [chance.sample(made, len(made)) for _ in stores]
    both = await asyncio.gather(*[take(store, *order) for store, order in zip(stores, orders, strict=True)])
    there = {bytes(row[0]) for row in table(url, "fingerprint", "events")}
    for order, answers in zip(orders, both, strict=True):
        for one, answer in zip(order, answers, strict=True):
            assert answer.full or one.fingerprint in there
    for n in range(8):
        rows = table(url, "seq, variant, trust, held, superseded", f"events WHERE id = '{n:032x}'")
        standing = [row for row in rows if row[3] is None and row[4] is None]
        assert [row[2] for row in standing] == [Trust.BODY.rank]  # the most trusted, and it alone
        assert [row[1] for row in rows].count(b"") == 1
        assert len(rows) == 6
