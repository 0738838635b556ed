"""A request that is made anew for each event: what of it is a template or an expression, tried out before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from gateway import ALL_TYPES, FILE_COMPLETED, Event, sample
from plugins.sinks.cards.sandbox import Misnamed
from plugins.sinks.cards.text import Invalid
from plugins.sinks.forward.shape.body_grammars import GRAMMARS
from plugins.sinks.forward.shape.cel_body import CelBody
from plugins.sinks.forward.shape.parts import Filled, Parts
from plugins.sinks.forward.shape.request_grammars import HeaderGrammar, MethodGrammar, TargetGrammar, same_origin
from plugins.sinks.forward.shape.template_marks import parted
from plugins.sinks.forward.shape.templates import RequestTemplate, shown_to_templates


class Shape:
    """Compiled once; `fill` for each event. Raises Invalid for what cannot be used, and says which part and where;
    ValueError for a URL whose host is to be filled in."""

    def __init__(self, parts: Parts) -> None:
        self._secrets = parts.secrets
        self._method = None if parts.method is None else RequestTemplate("method", parts.method, MethodGrammar())
        self._origin, target = ("", None) if parts.url is None else parted(parts.url)
        self._target = None if target is None else RequestTemplate("url", target, TargetGrammar())
        self._headers = {
            name.lower(): RequestTemplate(f"headers.{name}", text, HeaderGrammar()) for name, text in parts.headers
        }
        grammar = GRAMMARS[parts.kind]
        self._body = None if parts.body is None else RequestTemplate("body", parts.body, grammar)
        self._cel = None if parts.cel is None else CelBody(parts.cel, parts.secrets)

    def fill(self, event: Event, secrets: Mapping[str, str]) -> Filled:
        """Raises Invalid, which says which part and where."""
        shown = shown_to_templates(event, secrets)
        url = None
        if self._target is not None:
            url = self._origin + self._target.render(shown)
            if not same_origin(url, self._origin):
                raise Invalid("url: what it makes would lead to another place")
        headers = {name: text for name, template in self._headers.items() if (text := template.render(shown))}
        body = None
        if self._cel is not None:
            body = self._cel.render(event, secrets)
        elif self._body is not None:
            body = self._body.render(shown)
        content = None if body is None else body.encode()
        return Filled(None if self._method is None else self._method.render(shown), url, headers, content)

    def try_out(self) -> None:
        """Try it on a full sample of every event type. Raises Invalid for a name that no event has, and where none can be
        filled in: a template for some types may fail on others, which are then refused."""
        failures: dict[str, Invalid] = {}
        stand_ins = dict.fromkeys(self._secrets, "a-secret-would-stand-here")
        for type in (FILE_COMPLETED, *ALL_TYPES):
            try:
                self.fill(sample(type), stand_ins)
            except Misnamed as error:
                raise Invalid(f"{error} (tried on a sample {type})") from None
            except Invalid as error:
                failures.setdefault(type, error)
        if len(failures) == len(set(ALL_TYPES)):
            raise Invalid(f"{failures[FILE_COMPLETED]} (so it is on a sample of every type of event)")


@lru_cache(maxsize=64)  # because options are read again at each check and reload, and samples take a while
def shape_of(parts: Parts) -> Shape:
    """Compiled and tried out. Raises Invalid."""
    shape = Shape(parts)
    shape.try_out()
    return shape
