"""What of a request an HTTP Message Signature covers (RFC 9421, 2): its components, and the text that is made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from gateway.signing.structured_fields import FieldItem, InnerList, written

SIGNATURE: Final = "signature"
SIGNATURE_INPUT: Final = "signature-input"
DERIVED: Final = frozenset({"@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query"})
_FIELD: Final = re.compile(r"[!#$%&'*+.^_`|~a-z0-9-]{1,64}", re.ASCII)
_FOLD: Final = re.compile(r"[ \t]*\r?\n[ \t]+")  # a line that goes on in the next one, the only break there may be
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class SignedRequest(NamedTuple):
    """A request as both sides see it. `url` is absolute, and as it is on the wire; None where only path and host are known."""

    method: str
    url: str | None
    headers: Sequence[tuple[str, str]]  # each line by itself, in the order they came
    path: str = "/"  # where there is no `url`


def component_problem(name: str) -> str | None:
    """What is wrong with the name of a component that is to be covered; None: it can be."""
    if name.startswith("@"):
        return (
            None if name in DERIVED else f"a component of a request: {', '.join(sorted(DERIVED))}, or a header's name"
        )
    if name in {SIGNATURE, SIGNATURE_INPUT}:
        return "a component that exists before the signature"
    return None if _FIELD.fullmatch(name) else "a header's name in lower case"


def signature_base(request: SignedRequest, covered: InnerList) -> bytes:
    """The text that is signed (2.5). Raises ValueError for a component that is there twice, unknown or absent."""
    lines = []
    names = set()
    for item in covered.items:
        name = item.value
        if not isinstance(name, str) or item.params:
            raise ValueError("a component with parameters is covered, and none of them is known here")
        if name in names:
            raise ValueError(f"the component {name!r} is covered twice")
        if (problem := component_problem(name)) is not None:
            raise ValueError(f"the component {name!r} is none; expected {problem}")
        names.add(name)
        lines.append(f"{written(FieldItem(name))}: {component_value(request, name)}")
    lines.append(f'"@signature-params": {written(covered)}')
    try:
        return "\n".join(lines).encode("ascii")
    except UnicodeEncodeError:
        raise ValueError("a covered component is not ASCII") from None


def component_value(request: SignedRequest, name: str) -> str:
    """A component's value (2.1, 2.2). Raises ValueError where the request has none."""
    if name.startswith("@"):
        return _derived(request, name)
    lines = [value for key, value in request.headers if key.lower() == name]
    if not lines:
        raise ValueError(f"the header {name} is covered, and is not there")
    value = ", ".join(_FOLD.sub(" ", line).strip(" \t") for line in lines)
    if any(ord(letter) < 0x20 and letter != "\t" for letter in value):
        raise ValueError(f"the header {name} holds control characters")
    return value


def _derived(request: SignedRequest, name: str) -> str:
    if name == "@method":
        return request.method
    if request.url is None:
        hosts = [value.strip(" \t").lower() for key, value in request.headers if key.lower() == "host"]
        host = hosts[0] if len(hosts) == 1 else ""  # of two nobody can say which one was signed
        known = {"@path": request.path or "/", "@authority": re.sub(r":(80|443)$", "", host), "@query": "?"}
        if not known.get(name):
            raise ValueError(f"{name} is covered, and only the URL that the sender calls says it")
        return known[name]
    parts = urlsplit(request.url)
    path = parts.path or "/"
    _, mark, query = request.url.partition("#")[0].partition("?")  # urlsplit cannot tell an empty query from none
    match name:
        case "@scheme":
            return parts.scheme.lower()
        case "@authority":
            return _authority(request.url)
        case "@path":
            return path
        case "@query":
            return f"?{query}"
        case "@request-target":
            return path + mark + query
    return f"{parts.scheme.lower()}://{parts.netloc}{path}{mark}{query}"


def _authority(url: str) -> str:
    parts = urlsplit(url)
    name = (parts.hostname or "").lower()
    host = f"[{name}]" if ":" in name else name
    return host if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme.lower())} else f"{host}:{parts.port}"
