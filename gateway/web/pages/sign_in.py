"""Signing in with a token, and out."""

from __future__ import annotations

from starlette.responses import Response

from gateway.errors import Problem
from gateway.web.pages.visit import Visit, local, to
from gateway.web.sessions import SAFE, cookie_name, refuse_foreign
from gateway.web.tokens import Tokens

TOKEN_CHARS_MAX = 4096  # characters


async def signing_in(visit: Visit, tokens: Tokens) -> Response:
    """The form, and what is sent by it."""
    request = visit.request
    link = local(visit.form_field("next") or request.query_params.get("next", "/"))
    if request.method in SAFE:
        return to(link) if visit.token is not None else await visit.page("sign_in.html", next=link, problem=None)
    refuse_foreign(request, None, None)
    presented = visit.form_field("token").strip()
    try:
        if not presented or len(presented) > TOKEN_CHARS_MAX:
            raise Problem(401, "unauthorized", "this is no token of `admin.tokens`")
        id = tokens.sign_in(request, presented.encode("utf-8", "replace"))
    except Problem as problem:
        return await visit.page("sign_in.html", problem.status, next=link, problem=problem)
    tokens.sessions.close_session(request)  # the one before it, if there was any
    response = to(link)
    response.set_cookie(
        cookie_name(request),
        id,
        httponly=True,
        samesite="strict",
        secure=request.headers.get("origin", "").lower().startswith("https://"),
    )
    return response


async def signing_out(visit: Visit, tokens: Tokens) -> Response:
    """End the session."""
    request = visit.request
    if request.method in SAFE:
        raise Problem(405, "method_not_allowed", "sign out with the button")
    refuse_foreign(request, visit.session, visit.form_field("csrf"))
    tokens.sessions.close_session(request)
    response = to("/sign-in")
    response.delete_cookie(cookie_name(request), httponly=True, samesite="strict")
    return response
