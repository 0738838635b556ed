"""One event: its story, why it went where it went, both its forms, and what can be done with it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from starlette.responses import Response

from gateway.admin.results import EventDetail, Raw
from gateway.errors import GatewayError
from gateway.text.escaping import visible
from gateway.web.pages.story import came_by_itself, difference, files_of, routes_of, story_of
from gateway.web.pages.visit import Visit
from gateway.web.pages.words import PageWords

FORM_CHARS_MAX: Final = 256 * 1024  # characters of a form that are shown


async def event(visit: Visit) -> Response:
    """One event, without what is secret in it."""
    return await _page(visit, whole=False)


async def reveal(visit: Visit) -> Response:
    """The same with everything, which is written down."""
    return await _page(visit, whole=True)


async def _page(visit: Visit, *, whole: bool) -> Response:
    detail = await visit.service.event(visit.request.path_params["ref"], whole=whole, actor=visit.actor)
    first = await _first(visit, detail, whole=whole)
    t = visit.words

    def values() -> Mapping[str, object]:
        return {
            "detail": detail,
            "whole": whole,
            "story": story_of(detail, t),
            "verdicts": [
                {"at": one.at, "by": one.by, "routes": routes_of(one, t, detail.event)}
                for one in reversed(detail.verdicts)
            ],
            "files": files_of(detail.event, whole=whole),
            "facts": list(_facts(detail.event)),
            "raw": _raw_text(detail.raw)[:FORM_CHARS_MAX],
            "bytes_absent": "" if detail.raw.size_bytes else _why_no_bytes(detail, t),
            "children": detail.children,
            "difference": first and {"ref": detail.variants[0].ref, "lines": difference(first, detail)},
            "sinks": list(visit.gateway.settings.sinks),
        }

    return await visit.page_of("event.html", values)


async def _first(visit: Visit, detail: EventDetail, *, whole: bool) -> EventDetail | None:
    """What a held event is compared with; None: it is not held, or that was erased meanwhile."""
    if not detail.item.held or not detail.variants:
        return None
    try:
        return await visit.service.event(detail.variants[0].ref, whole=whole, actor=visit.actor)
    except GatewayError:
        return None


def _facts(event: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The plain members of the data, by their names."""
    data = event.get("data")
    for name, value in data.items() if isinstance(data, Mapping) else ():
        if isinstance(value, str | int | float | bool) and value != "":
            yield visible(str(name)), str(value)
    problems = event.get("problems")
    if isinstance(problems, Sequence) and problems and not isinstance(problems, str):
        yield "problems", ", ".join(str(one) for one in problems)


def _why_no_bytes(detail: EventDetail, t: PageWords) -> str:
    if came_by_itself(detail):
        return t("No callback brought it, so there are no bytes of the vendor's.")
    return t(
        "They are not kept: what the vendor sends is not stored where `redact` takes something out of its source's events."
    )


def _raw_text(raw: Raw) -> str:
    if raw.text is not None:
        return raw.text
    content = base64.b64decode(raw.base64 or "")
    return "\n".join(f"{at:06x}  {content[at : at + 16].hex(' ')}" for at in range(0, min(len(content), 8192), 16))
