"""Idempotency-Key: the same request again is given the answer of the first, and nothing is done twice."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gateway.admin.service import AdminService
from gateway.errors import Problem
from gateway.store.admin import idempotency_keys

KEY_CHARS_MAX: Final = 255  # characters
REPLAYED: Final = "idempotency-replayed"


async def idempotent(
    request: Request, service: AdminService, token: str, content: str, answer: Callable[[], Awaitable[Response]]
) -> Response:
    """The answer, once. Raises Problem: 400, 409 while the first is under way, 422 where another request had this key."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return await answer()
    if len(keys) > 1 or not 1 <= len(keys[0]) <= KEY_CHARS_MAX or not keys[0].isprintable():
        raise Problem(400, "invalid_idempotency_key", f"one Idempotency-Key of at most {KEY_CHARS_MAX} characters")
    name = hashlib.sha256(keys[0].encode()).hexdigest()
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n{request.url.query}\n{content}".encode()).hexdigest()
    known = await service.once(lambda session: idempotency_keys.note_request(session, token, name, digest))
    if known is not None:
        if not known.same:
            raise Problem(422, "idempotency_key_reused", "another request was sent with this Idempotency-Key")
        if known.status == 0:
            raise Problem(409, "in_progress", "the first request with this Idempotency-Key is under way", retry_after=1)
        kind = "application/json" if known.status < 400 else "application/problem+json"
        return Response(known.body, known.status, {REPLAYED: "true"}, media_type=kind)
    try:
        response = await answer()
    except BaseException:
        await service.once(lambda session: idempotency_keys.forget(session, token, name))
        raise
    if response.status_code >= 500 or response.status_code == 429:
        await service.once(lambda session: idempotency_keys.forget(session, token, name))
    else:
        body = bytes(response.body)
        await service.once(
            lambda session: idempotency_keys.keep_answer(session, token, name, response.status_code, body)
        )
    return response
