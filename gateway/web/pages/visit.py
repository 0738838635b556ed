"""One request of a browser after every check: who it is, in which language, and how it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response

from gateway.admin.service import AdminService
from gateway.errors import Problem
from gateway.fields.locale import zone_of
from gateway.store.admin.audit import Actor
from gateway.web.pages.formats import Formats
from gateway.web.pages.render import render
from gateway.web.pages.words import LANGUAGES, PageWords, known, preferred
from gateway.web.ports import Serving
from gateway.web.sessions import PersonSession
from gateway.web.tokens import TokenLike

FORM_BYTES_MAX = 256 * 1024  # bytes: the routes of a route tester and an event
FORM_FIELDS_MAX = 500
THEMES = ("light", "dark")
LINK_CHARS_MAX = 2048


class Given(dict[str, str]):
    """The parameters of a page as they were written; one that is not there is empty."""

    def __getattr__(self, name: str) -> str | None:
        return self.get(name)

    def __missing__(self, name: str) -> None:
        return None


@dataclass(slots=True)
class Visit:
    """`token` and `session` are None at the sign-in."""

    gateway: Serving
    request: Request
    token: TokenLike | None
    session: PersonSession | None
    words: PageWords
    formats: Formats
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def service(self) -> AdminService:
        return self.gateway.admin

    @property
    def operates(self) -> bool:
        return self.token is not None and self.token.role == "operate"

    @property
    def actor(self) -> Actor:
        return Actor(
            self.token.name if self.token else "", self.request.client.host if self.request.client else "unix socket"
        )

    def form_field(self, name: str) -> str:
        """A field of the form that was sent."""
        return next(iter(self.form.get(name, ())), "")

    async def page(self, template: str, status: int = 200, /, **values: object) -> Response:
        """A page of this template."""
        return await self.page_of(template, lambda: values, status)

    async def page_of(self, template: str, values: Callable[[], Mapping[str, object]], status: int = 200) -> Response:
        """A page of this template, made in a thread with its values, because one event with many files takes long."""
        theme = self.request.cookies.get("theme")
        common = {
            "t": self.words,
            "f": self.formats,
            "visit": self,
            "theme": theme if theme in THEMES else None,
            "languages": LANGUAGES,
            "path": self.request.url.path,
            "query": Given(self.request.query_params),
            "csrf": self.session.csrf if self.session else "",
            "notices": self.session.fetch_notices() if self.session else [],
            "with_parameter": self.with_parameter,
        }
        content = await asyncio.to_thread(lambda: render(template, {**common, **values()}).encode())
        headers = {"content-language": self.words.language, "vary": "cookie, accept-language"}
        return Response(content, status, headers, media_type="text/html")

    def with_parameter(self, name: str, value: str | None) -> str:
        """This page's address with another value of one parameter."""
        pairs = [pair for pair in self.request.query_params.multi_items() if pair[0] not in (name, "lang", "theme")]
        if value is not None:
            pairs.append((name, value))
        return self.request.url.path + (f"?{urlencode(pairs)}" if pairs else "")

    def done(self, link: str, text: str, kind: str = "good") -> Response:
        """Go to another page and say this there."""
        assert self.session is not None  # without one nothing is done
        self.session.notice(kind, text)
        return to(link)


def to(link: str) -> Response:
    """To another page of ours, by GET."""
    return Response(status_code=303, headers={"location": local(link)})


def local(link: str) -> str:
    """A link as it is where it leads to a page of ours, else the first page: a link out of a request leads nowhere else."""
    if len(link) > LINK_CHARS_MAX or not link.startswith("/") or link[1:2] in ("/", "\\"):
        return "/"
    return link if link.isascii() and link.isprintable() and not set(link) & set(' \\"<>') else "/"


def language_of(request: Request, configured: str) -> str:
    """What was chosen here, else what the browser wants, else what the configuration says."""
    chosen = known(request.query_params.get("lang")) or known(request.cookies.get("lang"))
    return chosen or preferred(request.headers.get("accept-language", "")) or known(configured) or "en"


def visit_of(gateway: Serving, request: Request, token: TokenLike | None, session: PersonSession | None) -> Visit:
    """The visit of a request."""
    locale = gateway.settings.locale
    words = PageWords(language_of(request, locale.language))
    formats = Formats(words, zone_of(locale.timezone), locale.timezone, gateway.clock.now())
    return Visit(gateway, request, token, session, words, formats)


async def form_of(request: Request) -> Mapping[str, Sequence[str]]:
    """The fields of a form. Raises Problem: 400, 413, 415; nothing can be uploaded."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "unsupported_media_type", "only forms are taken here, and no files")
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > FORM_BYTES_MAX:
            raise Problem(413, "body_too_large", f"a form has at most {FORM_BYTES_MAX} bytes here")
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="strict"
        )
    except ValueError:
        raise Problem(400, "malformed_body", "this is no form") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return fields
