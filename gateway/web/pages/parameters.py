"""The filters of a list, from the address of its page: what is mistyped is said on the page, and nothing is listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.responses import Response

from gateway.admin.filters import UnknownValue
from gateway.admin.queries import PageQuery
from gateway.admin.results import Page
from gateway.errors import NotFound, Problem
from gateway.web.api.request_reader import read_query
from gateway.web.pages.visit import Given, Visit

Q = TypeVar("Q", bound=PageQuery)
RowT = TypeVar("RowT")


async def listing(
    visit: Visit, template: str, model: type[Q], ask: Callable[[Q], Awaitable[Page[RowT]]], /, **values: object
) -> Response:
    """A page with a list."""
    given = Given({name: value for name, value in visit.request.query_params.items() if value})
    if visit.request.query_params.get("source") == "":
        given["source"] = ""
    try:
        asked = read_query(visit.request, model) or model()
        page = await ask(asked)
    except (UnknownValue, NotFound) as error:
        return await visit.page(template, 400, items=(), next=None, wrong=str(error), **{**values, "query": given})
    except Problem as problem:
        if problem.status != 400:
            raise
        return await visit.page(template, 400, items=(), next=None, wrong=problem.detail, **{**values, "query": given})
    return await visit.page(template, items=page.items, next=page.next, wrong=None, **{**values, "query": given})
