"""Where a store lies that is kept in plain in a SQLite file, and the names beside it, for who only asks it: without the
grammar, and what plugins say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from gateway.config.document.diagnostics import ConfigError
from gateway.config.document.file_bytes import read_bounded
from gateway.config.document.nodes import Scalar, Table, is_null
from gateway.config.document.substitution import Substitution
from gateway.config.document.yaml import compose, compose_despite
from gateway.config.overrides import override
from gateway.text.store_address import DEFAULT_STORE, parse_address, sqlite_url

SECTIONS: Final = frozenset(
    [
        "version",
        "server",
        "admin",
        "store",
        "log",
        "locale",
        "delivery",
        "plugins",
        "sources",
        "sinks",
        "routes",
        "watch",
        "alarms",
        "tests",
    ]
)
OF_STORE: Final = frozenset(["url", "password", "encryption", "redact", "remember", "keep", "limits"])
_ELSEWHERE = frozenset({"encryption", "password"})  # keys that are more than a place


class PlainStore(NamedTuple):
    """Its URL, and the names of what is configured."""

    url: str
    sinks: frozenset[str]
    sources: frozenset[str]


def plain_store(path: Path, environ: Mapping[str, str]) -> PlainStore | None:
    """None: it is another store, or the configuration has to be read to say what is wrong with it."""
    try:
        root = compose(read_bounded(path)[0], str(path))
    except ConfigError:
        return None
    if not isinstance(root, Table):
        return None
    override(root, path, environ)
    base = path.absolute().parent
    node = root.entries.get("store")
    if isinstance(node, Table):
        if _ELSEWHERE & node.entries.keys() or not node.entries.keys() <= OF_STORE:
            return None
        node = node.entries.get("url")
    if node is not None and not is_null(node):
        if not isinstance(node, Scalar):
            return None
        substitution = Substitution(environ, base)
        substitution.substitute(node)
        url = node.text
        if substitution.problems:
            return None
    elif root.entries.keys() <= SECTIONS:
        url = DEFAULT_STORE
    else:
        return None  # what nobody knows may have been to name it
    try:
        address = parse_address(url)
    except ValueError:
        return None
    if address.backend != "sqlite":
        return None
    return PlainStore(sqlite_url(base / address.path), _names(root, "sinks"), _names(root, "sources"))


def names_in(path: Path, key: str) -> Sequence[str]:
    """The names of the `sources` or `sinks` in a file, as far as it can be read."""
    try:
        root, _, _ = compose_despite(read_bounded(path)[0], str(path))
    except ConfigError:
        return ()
    node = root.entries.get(key)
    return list(node.entries) if isinstance(node, Table) else ()


def _names(root: Table, key: str) -> frozenset[str]:
    node = root.entries.get(key)
    return frozenset(node.entries) if isinstance(node, Table) else frozenset()
