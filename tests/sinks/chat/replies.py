"""Answers as the services write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway import DeliveryFailed
from gateway.testing import FrozenClock, Reply, ScriptedServer, delivery

from .conftest import answer, chatting

HTML = "<html>Please sign in to the guest network</html>"


def errcode(code: object, words: str = "", **more: Any) -> Reply:
    return answer({"errcode": code, "errmsg": words, **more})


def code(number: object, words: str = "", status: int = 200, *headers: tuple[str, str], **more: Any) -> Reply:
    return answer({"code": number, "msg": words, **more}, status, *headers)


def discord(number: int, status: int, words: str = "") -> Reply:
    return answer({"code": number, "message": words}, status)


def telegram(number: int, words: str, **parameters: Any) -> Reply:
    body: dict[str, Any] = {"ok": False, "error_code": number, "description": words}
    return answer(body | ({"parameters": parameters} if parameters else {}), number)


def google(status: str, number: int) -> Reply:
    return answer({"error": {"code": number, "message": "words", "status": status}}, number)


def mattermost(name: str, status: int) -> Reply:
    return answer({"id": name, "message": "words", "status_code": status}, status)


async def judged(service: str, reply: Reply, attempt: int = 1, clock: FrozenClock | None = None) -> DeliveryFailed:
    clock = clock or FrozenClock(datetime(2026, 1, 1, 12, 17, tzinfo=UTC))
    async with ScriptedServer(reply) as server, chatting(service, server.url, clock) as sink:
        with pytest.raises(DeliveryFailed) as failed:
            await sink.deliver(delivery(attempt=attempt))
        assert len(server.received) == 1
    assert "canary" not in failed.value.detail
    return failed.value
