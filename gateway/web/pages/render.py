"""Templates to HTML. Jinja2 is imported at the first page and not before, because most gateways show none for hours."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from markupsafe import Markup, escape

from gateway.text.escaping import visible
from gateway.web.pages.codes import says
from gateway.web.pages.sentences import act_name, sentence

if TYPE_CHECKING:
    import jinja2

FOLDER: Final = Path(__file__).parent
STATIC: Final[Mapping[str, str]] = {
    "app.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@functools.cache
def static(name: str) -> bytes:
    """The content of a file that pages load."""
    return (FOLDER / "static" / name).read_bytes()


@functools.cache
def version_of(name: str) -> str:
    """Changes with the content, so that a browser may keep the file for ever."""
    return hashlib.sha256(static(name)).hexdigest()[:12]


def link_to(name: str) -> str:
    """The address of a file that pages load."""
    return f"/static/{version_of(name)}/{name}"


def pretty(value: object) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _shown(value: object) -> object:
    """Every text that a template writes, with what nobody sees in it written out."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _shown_lines(text: str) -> Markup:
    return Markup("\n").join(escape(visible(line)) for line in text.split("\n"))


def ref_of(name: str) -> str:
    """A name in a path."""
    # `:` and `~` as they are, because an escape that hides structure is refused at the listener
    return quote(name, safe=":~@!$&'()*+,;=-._")


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_shown,
    )
    environment.filters.update(pretty=pretty, shown=visible, shown_lines=_shown_lines, ref=ref_of)
    environment.globals.update(link_to=link_to, says=says, sentence=sentence, act_name=act_name)
    return environment


def render(name: str, values: Mapping[str, object]) -> str:
    """A page."""
    return _environment().get_template(name).render(values)
