"""The configuration that runs, without its secrets."""

from __future__ import annotations

from starlette.responses import Response

from gateway.web.pages.tester import as_yaml
from gateway.web.pages.visit import Visit


async def configuration(visit: Visit) -> Response:
    """As loaded, with warnings and the last reloads."""
    running = await visit.service.configuration()
    return await visit.page("config.html", running=running, text=as_yaml(running.settings))
