"""Which of a batch's seals carry something already, in one statement: nearly all are new, and each question costs a run."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from typing import Final

from gateway.store.engine.session import Session

_PLACE: Final = "substr(:seals, :size * j.key + 1, :size)"  # blobs cannot stand in JSON, so they lie side by side
USED: Final = f"""SELECT j.key FROM json_each(:each) j
  WHERE EXISTS (SELECT 1 FROM events o WHERE o.seal = {_PLACE} AND o.seal IS NOT NULL)
  OR EXISTS (SELECT 1 FROM remembered r WHERE r.seal = {_PLACE} AND r.seal IS NOT NULL)"""  # noqa: S608  constants


def used_seals(session: Session, seals: Collection[bytes]) -> set[bytes]:
    """Those of `seals` under which a content came before, deleted ones included."""
    used: set[bytes] = set()
    for size, alike in groupby(sorted(seals, key=len), len):  # ours are all of one length
        side_by_side = list(alike)
        each = f"[0{',0' * (len(side_by_side) - 1)}]"
        rows = session.rows(USED, {"each": each, "seals": b"".join(side_by_side), "size": size})
        used.update([side_by_side[at] for (at,) in rows])
    return used
