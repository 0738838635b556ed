"""One call for a page of a vendor's list: how long it may take, and how long to wait after one that failed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from tenacity import wait_exponential

from gateway.egress.client import Http
from gateway.errors import DeliveryFailed, Retry
from gateway.plugin import Source
from gateway.plugin.vendor_api import ListedPage, ListSpan
from gateway.runtime.rising_pause import seconds_after
from gateway.store.outbox.reconciliation import ReconciliationRow

LIST_SECONDS_MAX: Final = 300.0  # for one page of a vendor's list
RETRY_WAIT_MIN: Final = timedelta(minutes=1)  # a call that failed; each time twice as long
RETRY_WAIT_MAX: Final = timedelta(hours=1)  # also where somebody has to act, because nobody tells us that they did
_RISING: Final = wait_exponential(multiplier=RETRY_WAIT_MIN.total_seconds(), max=RETRY_WAIT_MAX.total_seconds())


async def listed_page(source: Source, http: Http, span: ListSpan, next: str | None) -> ListedPage:
    """A page of the vendor's list. Raises Retry where the plugin waits for what does not come."""
    try:
        async with asyncio.timeout(LIST_SECONDS_MAX):
            return await source.list_recordings(http, span, next)
    except TimeoutError:
        raise Retry(f"the vendor's list did not come within {LIST_SECONDS_MAX:g} s") from None


def wait_after(row: ReconciliationRow, error: DeliveryFailed, every: timedelta) -> timedelta:
    """What the vendor asks for; else a minute, doubled each time; where somebody has to act, an hour."""
    rising = timedelta(seconds=seconds_after(row.failures + 1, _RISING))
    after = getattr(error, "after", None)
    return max(after or timedelta(), min(rising if isinstance(error, Retry) else RETRY_WAIT_MAX, every))
