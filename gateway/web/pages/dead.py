"""Dead letters: how many of which sink for which reason, and each of them."""

from __future__ import annotations

from starlette.responses import Response

from gateway.admin.queries import DeliveryQuery
from gateway.admin.results import DeliveryItem, Page
from gateway.web.pages.parameters import listing
from gateway.web.pages.visit import Visit


async def dead(visit: Visit) -> Response:
    """Grouped, then one by one."""

    async def ask(asked: DeliveryQuery) -> Page[DeliveryItem]:
        return await visit.service.deliveries(asked.model_copy(update={"state": "dead"}))

    return await listing(visit, "dead.html", DeliveryQuery, ask, groups=await visit.service.dead_letters())
