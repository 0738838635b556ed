"""An assistant of the tests: the SDK's own client, what it is given to look at, and what it hears."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.admin.beside_store import BesideStore
from gateway.config.load import load
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.audit import Actor

from .conftest import INJECTION

if TYPE_CHECKING:
    from mcp import Client

SIGNED = "https://cdn.example.com/a.mp4?auth_key=1767268800-0-0-0123456789abcdef&X-Amz-Signature=deadbeefcafe"
HOSTILE = f"\x1b[2J\u202e{INJECTION}\u2066\r\n\u200b\U000e0041\U000e0101\ufe0f\u3164 {SIGNED} " + "y" * 3000
READING = {
    *("status", "find_events", "show_event", "why_not_delivered", "show_delivery", "dead_letters"),
    *("sinks", "sources", "refused_callbacks", "show_refused", "try_routes"),
}
CHANGING = {"preview_change", "make_change"}
FORBIDDEN = ("erase", "release", "reload", "bulk", "move")


@asynccontextmanager
async def talking(
    folder: Path, *, operate: bool = False, clock: FrozenClock | None = None, service: Any = None
) -> AsyncIterator[Client]:
    """The SDK's own client, talking to a server in this process."""
    from mcp import Client

    from gateway.cli.assistant.assistant_server import AssistantServer

    loaded = load(folder / "gateway.yaml", environ={}) if service is None else None

    def opened() -> Any:
        actor = Actor("ann (assistant)", "here")
        return service if loaded is None else BesideStore(loaded, whole=False, actor=actor)

    server = AssistantServer(opened, operate=operate, clock=clock)
    try:
        async with Client(server.protocol) as client:
            yield client
    finally:
        await server.close()


async def asked(client: Client, tool: str, **arguments: Any) -> Any:
    """The data of an answer."""
    from gateway.cli.assistant.assistant_server import NOTICE

    answer = await client.call_tool(tool, arguments)
    content = answer.structured_content
    assert json.loads(answer.content[0].text) == content  # type: ignore[union-attr]
    assert answer.content[0].text.isascii()  # type: ignore[union-attr]
    assert content["notice"] == NOTICE
    assert not answer.is_error, content
    return content["data"]


async def refused(client: Client, tool: str, **arguments: Any) -> Mapping[str, str]:
    """The error of an answer."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error, answer.structured_content
    error: Mapping[str, str] = answer.structured_content["error"]
    return error


def audit(folder: Path) -> list[tuple[str, str, str]]:
    with StoreAdmin(f"sqlite:///{folder}/gateway.db") as admin:
        return [(row.actor, row.act, row.target) for row in admin.audit()]
