"""One line on a long delivery: how far it is, as a bar where its sink says of how much."""

from __future__ import annotations

from typing import Final

from gateway.store.admin.shown_rows import UnderWay
from gateway.text.redaction import redact

BAR_CELLS: Final = 10
LINE_CELLS_MAX: Final = 80
_UNITS: Final = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def progress_line(sink: str, long: UnderWay) -> str:
    """Such as `archive [####      ] 40 % 2 GB of 5 GB, segment 812 of 2000 (delivery 7)`, in 80 columns."""
    begin = sink
    if long.done is not None and long.total:
        share = min(long.done / long.total, 1.0)
        begin += f" [{'#' * round(share * BAR_CELLS):<{BAR_CELLS}}] {share:.0%}"
    if amounts := " of ".join(octets(amount) for amount in (long.done, long.total) if amount is not None):
        begin += f" {amounts}"
    if long.text:
        begin += f", {redact(long.text)}"
    end = f" (delivery {long.delivery})"
    return begin[: LINE_CELLS_MAX - len(end)].rstrip() + end


def octets(amount: int) -> str:
    """Bytes in a unit that people read."""
    for unit, length in _UNITS:
        if amount >= length:
            return f"{amount / length:.3g} {unit}"
    return f"{amount} B"
