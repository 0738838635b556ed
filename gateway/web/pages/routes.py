"""The routes of the pages: who asks, whether they may, and the page; whatever is raised becomes a page that says it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import GatewayError, Problem
from gateway.runtime.lean_imports import import_structlog
from gateway.web.api.responses import problem_document, refusal
from gateway.web.pages.page_list import PAGES, HtmlPage
from gateway.web.pages.sign_in import signing_in, signing_out
from gateway.web.pages.visit import Visit, form_of, language_of, local, to, visit_of
from gateway.web.ports import Serving
from gateway.web.sessions import SAFE, own_origin, refuse_foreign
from gateway.web.tokens import Tokens

log = import_structlog().get_logger("gateway.web")
YEAR_SECONDS: Final = 365 * 24 * 3600
Serve = Callable[[Request], Awaitable[Response]]


def page_routes(gateway: Serving, tokens: Tokens) -> Sequence[BaseRoute]:
    """Every page; without a configured token they answer 404."""
    by_path: dict[str, dict[str, HtmlPage]] = {}
    for page in PAGES:
        by_path.setdefault(page.path, {})[page.method] = page
    shown = {path for path, methods in by_path.items() if "GET" in methods}
    routes = [Route(path, _serving(gateway, tokens, methods, _above(path, shown))) for path, methods in by_path.items()]
    routes.append(Route("/sign-in", _open(gateway, tokens, signing_in)))
    routes.append(Route("/sign-out", _open(gateway, tokens, signing_out)))
    routes.append(Route("/static/{version}/{name}", _static(tokens)))
    for route in routes:
        route.methods = None  # every method is ours to answer, so that all refusals have one form
    return routes


def missing_page(gateway: Serving, tokens: Tokens) -> ASGIApp:
    """What a person who is signed in sees where there is no page; everybody else gets what a program gets."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer: Response = problem_document(Problem(404, "not_found", "there is nothing here"))
        session = tokens.sessions.session_of(request)
        holder = None if session is None else tokens.holder(session)
        if holder is not None and not request.url.path.startswith("/api/") and request.method in SAFE:
            visit = visit_of(gateway, request, holder, session)
            answer = await _failed(visit, Problem(404, "not_found", "there is nothing here"))
        await answer(scope, receive, send)

    return serve


def _above(path: str, shown: Collection[str]) -> str:
    """The nearest page above a form's address that can be looked at."""
    while path and path not in shown:
        path = path.rpartition("/")[0]
    return path or "/"


def _serving(gateway: Serving, tokens: Tokens, methods: Mapping[str, HtmlPage], above: str) -> Serve:
    async def serve(request: Request) -> Response:
        page = methods.get("GET" if request.method == "HEAD" else request.method)
        session = tokens.sessions.session_of(request)
        holder = None if session is None else tokens.holder(session)
        try:
            tokens.refuse_in_query(request)
        except Problem as problem:
            return problem_document(problem)
        if (chosen := _chosen(gateway, request)) is not None:
            return chosen
        visit = visit_of(gateway, request, holder, session if holder else None)
        try:
            here = "/".join(request.url.path.split("/")[: above.count("/") + 1]) if above != "/" else "/"
            if page is None and request.method not in SAFE:
                raise Problem(405, "method_not_allowed", f"this takes {', '.join(methods)}")
            if holder is None and request.method not in SAFE and own_origin(request):
                return to(
                    _sign_in(here, ended="yes")
                )  # a page from before the gateway was started, or of a session that ended
            if request.method not in SAFE:
                visit.form = await form_of(request)
                refuse_foreign(request, visit.session, visit.form_field("csrf"))
            if holder is None:
                query = f"?{request.url.query}" if request.url.query else ""
                return to(_sign_in(here if page is None else request.url.path + query))
            if page is None:
                # a link of a page that a form made, such as to another language, or a reload of its address
                return to(here)
            if page.role == "operate" and holder.role != "operate":
                raise Problem(403, "forbidden", f"the token {holder.name!r} may read, and this changes something")
            return await page.show(visit)
        except GatewayError as error:
            return await _failed(visit, error)
        except Exception:
            log.exception("page_failed", path=page.path if page else None)
            return await _failed(visit, Problem(500, "internal_error", "this went wrong here; the log says why"))

    return serve


def _open(gateway: Serving, tokens: Tokens, show: Callable[[Visit, Tokens], Awaitable[Response]]) -> Serve:
    async def serve(request: Request) -> Response:
        try:
            tokens.refuse_in_query(request)
        except Problem as problem:
            return problem_document(problem)
        if (chosen := _chosen(gateway, request)) is not None:
            return chosen
        session = tokens.sessions.session_of(request)
        holder = None if session is None else tokens.holder(session)
        visit = visit_of(gateway, request, holder, session if holder else None)
        try:
            if request.method not in SAFE:
                visit.form = await form_of(request)
            return await show(visit, tokens)
        except GatewayError as error:
            return await _failed(visit, error)

    return serve


async def _failed(visit: Visit, error: GatewayError) -> Response:
    answer = refusal(error)
    document = json.loads(bytes(answer.body))
    page = await visit.page("problem.html", answer.status_code, problem=document)
    if "retry-after" in answer.headers:
        page.headers["retry-after"] = answer.headers["retry-after"]
    return page


def _sign_in(link: str, **more: str) -> str:
    """The sign-in that leads on to this page."""
    from urllib.parse import urlencode

    return f"/sign-in?{urlencode({'next': local(link), **more})}"


def _chosen(gateway: Serving, request: Request) -> Response | None:
    """`?lang=` and `?theme=` are kept by the browser, and the address goes on without them."""
    query = request.query_params
    if request.method not in SAFE or not {"lang", "theme"} & set(query):
        return None
    visit = visit_of(gateway, request, None, None)
    response = to(visit.with_parameter("lang", None))
    if "lang" in query:
        response.set_cookie(
            "lang",
            language_of(request, gateway.settings.locale.language),
            YEAR_SECONDS,
            httponly=True,
            samesite="strict",
        )
    if query.get("theme") in ("light", "dark"):
        response.set_cookie("theme", query["theme"], YEAR_SECONDS, httponly=True, samesite="strict")
    elif "theme" in query:
        response.delete_cookie("theme", httponly=True, samesite="strict")
    return response


def _static(tokens: Tokens) -> Serve:
    from gateway.web.pages.render import STATIC, static, version_of

    async def serve(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC or request.path_params["version"] != version_of(name) or request.method not in SAFE:
            return problem_document(Problem(404, "not_found", "there is nothing here"))
        headers = {"cache-control": f"public, max-age={YEAR_SECONDS}, immutable", "content-type": STATIC[name]}
        return Response(static(name), headers=headers)

    return serve
