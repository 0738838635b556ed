"""Which bulk acts wait for a gateway, apart from how they are done: every gateway asks, and few have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.store.engine.batch import Bulk
from gateway.store.engine.session import Session

_FREE: Final = """SELECT id FROM jobs WHERE finished_at IS NULL AND (owner IS NULL OR owner = :owner OR until_at <= :now)
  ORDER BY id LIMIT 20"""


def free(session: Session, owner: str) -> Sequence[int]:
    """The jobs that this gateway may go on with."""
    return [int(id_) for (id_,) in session.rows(_FREE, {"owner": owner})]


def leave(session: Bulk, owner: str | None) -> None:
    """Let go of the jobs of a gateway that ends; None: of every one."""
    of = "" if owner is None else " AND owner = :owner"
    values = {} if owner is None else {"owner": owner}
    session.change(f"UPDATE jobs SET owner = NULL WHERE finished_at IS NULL{of}", values)  # noqa: S608
