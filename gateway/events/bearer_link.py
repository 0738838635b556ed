"""Whether a link gives access to whoever has it: a signature, a token or a login inside a URL, whoever made it.

Where nobody can say, it does: a link that is left out costs a look into the store, one that is published costs the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.events.link_life import link_end
from gateway.text.credential_names import names_credential

_URL_CHARS_MAX: Final = 8192  # characters of a URL that is looked into
_NESTED_MAX: Final = 3  # times that a value is decoded, because an address may stand in another
# Arguments of signed links whose names say nothing of it, of networks and servers that deliver files.
_NAMES: Final = frozenset({"policy", "key-pair-id", "hdnts", "hdnea", "hdntl", "auth_info", "md5", "hash", "hmac", "digest", "acl",
                           "verify", "jsessionid", "phpsessid", "sid", "st", "se", "sp", "sv", "sr", "skoid"})  # fmt: skip
_PAIR: Final = re.compile(r"([\w.~-]{1,64})=([^&;~?#=]+)", re.A)
_OPAQUE: Final = re.compile(r"[0-9A-Fa-f]{32,}|(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/_=-]{22,}", re.A)
_TOKEN: Final = re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]{5,}", re.A)
_HASH: Final = re.compile(r"[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{32})?", re.A)
_TIME: Final = re.compile(r"[0-9A-Fa-f]{8}|[0-9]{10}|[0-9]{12}", re.A)


def carries_credential(url: str) -> bool:
    """Whether the link holds what grants access: a known signature, an argument that names a credential or looks like
    one, a token in its path, a user's name. Also for what is no URL or too long to be looked into."""
    if len(url) > _URL_CHARS_MAX:
        return True
    try:
        parts = urlsplit(url)
        login = "@" in parts.netloc
    except ValueError:
        return True
    if login or link_end(url) is not None:
        return True
    path, _, _ = parts.path.partition(";")
    arguments = [parts.query, parts.fragment, *parts.path.split(";")[1:]]
    return _is_signed(unquote(path)) or any(
        _is_secret(name, value) for text in arguments for name, value in _pairs(text)
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Every `name=value`, those of an address inside a value too; a part without a name is a value."""
    for _ in range(_NESTED_MAX):
        yield from _PAIR.findall(text)
        yield from (("", part) for part in re.split("[&;]", text) if "=" not in part)
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded
    yield "hmac", text  # what is wrapped deeper was hidden by somebody


def _is_secret(name: str, value: str) -> bool:
    if not value:
        return False
    return name.lower() in _NAMES or bool(name and names_credential(name)) or _OPAQUE.fullmatch(value) is not None


def _is_signed(path: str) -> bool:
    segments = path.removeprefix("/").split("/")
    if any(_TOKEN.fullmatch(segment) for segment in segments):
        return True
    if len(segments) < 3:
        return False
    first, second = segments[:2]  # where networks put them; deeper it is a folder's name
    return bool(
        (_HASH.fullmatch(first) and _TIME.fullmatch(second)) or (_TIME.fullmatch(first) and _HASH.fullmatch(second))
    )
