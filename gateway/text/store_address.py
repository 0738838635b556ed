"""Reads a store's URL: which database, where, and how to name it without its secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

_SECRET_PARAMETERS: Final = frozenset({"password", "sslpassword", "passfile", "oauth_client_secret"})
_POSTGRES: Final = ("postgresql", "postgres")
_MODE: Final = "mode"  # of the options in a URL the one that is ours, and not libpq's


DEFAULT_STORE: Final = "sqlite:///gateway.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """A store's place. `shown` is safe for logs and errors; everything else may hold a secret."""

    backend: Literal["sqlite", "postgresql"]
    shown: str
    path: Path = Path()  # SQLite: the file
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)  # PostgreSQL: what libpq is told
    secrets: tuple[str, ...] = field(default=(), repr=False)
    reduced: bool = False  # PostgreSQL: made without advisory locks, sequences, LISTEN

    def redact(self, text: str) -> str:
        """The text without this store's secrets: drivers repeat what they were given in their errors."""
        for secret in self.secrets:
            text = text.replace(secret, "********")
        return text


def parse_address(url: str, password: str | None = None) -> StoreAddress:
    """The place a URL names: `sqlite:///file`, `sqlite:////abs/file`, `postgresql://user@host:5432/db?sslmode=require`.

    `password` goes beside the URL, so that the URL can be shown. Raises ValueError, which never repeats a secret.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("sqlite", *_POSTGRES):
        raise ValueError("a store is sqlite:///file, sqlite:////absolute/file or postgresql://user@host:port/database")
    return _sqlite(rest) if scheme == "sqlite" else _postgres(f"postgresql://{rest}", password)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return "sqlite:///" + quote(os.fsencode(path))  # as bytes, because a folder's name need not be UTF-8


def absolute(address: StoreAddress) -> StoreAddress:
    """The same place, named so that it means the same in whatever folder, and in a configuration anywhere."""
    if address.backend != "sqlite":
        return address
    path = address.path.absolute()
    return replace(address, path=path, shown=f"sqlite:///{path}")


def _sqlite(rest: str) -> StoreAddress:
    if not rest.startswith("/"):
        raise ValueError("a SQLite store has three slashes (sqlite:///file), or four before an absolute path")
    name, question, _ = rest[1:].partition("?")
    if question:
        raise ValueError("a SQLite store takes no options after a question mark; a file's ? is written %3F")
    name = unquote(name, errors="surrogateescape")  # undoes `sqlite_url` for a name that is no UTF-8
    if name in ("", ":memory:"):
        raise ValueError("a SQLite store needs a file: what is only in memory is lost with the process")
    if "\0" in name or name.endswith("/"):
        raise ValueError("a SQLite store needs the path of a file")
    return StoreAddress(backend="sqlite", path=Path(name), shown=f"sqlite:///{name}")


def _postgres(url: str, password: str | None) -> StoreAddress:
    # Everything here is picky, because a mark that should have been escaped moves a piece of the password to where the
    # host or the database is read, and from there into logs and DNS.
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("the PostgreSQL URL cannot be read: postgresql://user@host:port/database") from None
    userinfo, _, hosts = parts.netloc.rpartition("@")
    if "@" in userinfo or "@" in parts.path or parts.fragment:
        raise ValueError("in the PostgreSQL URL's user or password the marks @ / ? # : % must be written as %40 %2F …")
    parameters = dict(query)
    mode = parameters.pop(_MODE, "")
    if mode not in ("", "reduced"):
        raise ValueError("the PostgreSQL URL's mode is `reduced`, or is left out")
    user, colon, inline = userinfo.partition(":")
    if user:
        parameters["user"] = unquote(user)
    if colon:
        parameters["password"] = unquote(inline)
    names, ports = _hosts(hosts)
    if names:
        parameters["host"] = names
    if ports:
        parameters["port"] = ports
    database = unquote(parts.path[1:])
    if database:
        parameters["dbname"] = database
    if password:
        parameters["password"] = password
    spelt = {inline} | {value for name, value in parameters.items() if name in _SECRET_PARAMETERS}
    secrets = tuple(sorted((value for value in spelt if value), key=len, reverse=True))
    host = hosts or parameters.get("host", "")
    shown = (
        f"postgresql://{parameters.get('user', '')}{'@' if parameters.get('user') else ''}{unquote(host)}/{database}"
    )
    return StoreAddress(
        backend="postgresql", parameters=parameters, secrets=secrets, shown=shown, reduced=mode == "reduced"
    )


def _hosts(hosts: str) -> tuple[str, str]:
    """libpq's two comma-separated lists from `a:1,b,[::1]:3`."""
    names: list[str] = []
    ports: list[str] = []
    for host in hosts.split(",") if hosts else ():
        match = re.fullmatch(r"(\[[\w:.%]+\]|[\w.%-]*)(?::(\d*))?", host)
        if match is None:
            raise ValueError("the PostgreSQL URL's host cannot be read: postgresql://user@host:port/database")
        names.append(unquote(match[1].strip("[]")))
        ports.append(match[2] or "")
    return ",".join(names), ",".join(ports) if any(ports) else ""
