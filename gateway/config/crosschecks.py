"""Checks what one part of the configuration says about another: names, paths, and what will never happen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Final

from gateway.config.document.diagnostics import Diagnostic, near
from gateway.config.document.nodes import Items, Scalar, Table, YamlNode, is_null
from gateway.config.grammar.settings import RouteSettings, Settings, SourceSettings, TestSettings
from gateway.extras import missing
from gateway.fields.hosts import is_loopback
from gateway.model import ALARM_SOURCE, ALARM_TYPES, Trust, reached_types
from gateway.text.regular_file import HOW_TO_CLOSE

_LOCAL: Final = ("127.0.0.1", "::1")
_ODD_ENDS: Final = frozenset("\u201c\u201d\u2018\u2019\xa0\u3000")  # quotes of a text processor, wide blanks
_UNSEEN: Final = frozenset("\u200b\u2060\ufeff\xad")
_SHELL: Final = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*|\$\([^()]+\)|%[A-Za-z_][A-Za-z0-9_]*%")
_COMMAS: Final = frozenset("\uff0c\u3001")


def paths(sources: Mapping[str, SourceSettings], table: Table) -> Iterator[Diagnostic]:
    """Two sources on one path."""
    first: dict[str, str] = {}
    for name, source in sources.items():
        other = first.setdefault(source.path, name)
        if other != name:
            entry = table.entries[name]
            node = entry.entries.get("path", entry) if isinstance(entry, Table) else entry
            yield node.problem(found=f"the path of the source {other!r} again", expected="a path for each source")


def names(routes: Sequence[tuple[Table, RouteSettings]]) -> Iterator[Diagnostic]:
    """Two routes with one name."""
    seen: dict[str, int] = {}
    for table, route in routes:
        if route.name in seen:
            node = table.entries.get("name", table)
            yield node.problem(
                found=f"the route name {route.name!r} again",
                expected="a name for each route",
                hint=f"the first one is in line {seen[route.name]}",
            )
        seen.setdefault(route.name, table.line)


def sinks_exist(table: Table, key: str, min_trusts: Sequence[str], known: Sequence[str]) -> Iterator[Diagnostic]:
    """A route or a test that names a sink which is not configured."""
    node = table.entries.get(key, table)
    for number, name in enumerate(min_trusts):
        if name not in known:
            place = node.items[number] if isinstance(node, Items) and number < len(node.items) else node
            yield place.problem(
                found=f"the sink {name!r}", expected="the name of a configured sink", hint=near(name, known)
            )


def alarm_types(table: Table, types: Sequence[str]) -> Iterator[Diagnostic]:
    """A glob of `alarms.types` that no alarm matches."""
    node = table.entries.get("types", table)
    for number, glob in enumerate(types):
        if not set(reached_types([glob])) & set(ALARM_TYPES):
            place = node.items[number] if isinstance(node, Items) and number < len(node.items) else node
            yield place.problem(
                found=f"no alarm is of the type {glob!r}", expected="globs of alarms", hint=near(glob, ALARM_TYPES)
            )


def callback_source(table: Table, test: TestSettings, known: Sequence[str]) -> Iterator[Diagnostic]:
    """A test whose callback comes from a source that is not configured."""
    if test.callback is None or test.callback.source in known:
        return
    callback = table.entries["callback"]
    assert isinstance(callback, Table)
    yield callback.entries["source"].problem(
        found=f"the source {test.callback.source!r}",
        expected="the name of a configured source",
        hint=near(test.callback.source, known),
    )


def listeners(settings: Settings, root: Table) -> Iterator[Diagnostic]:
    """Both listeners on one address; a unix socket beside a host or port."""
    for key in ("server", "admin"):
        table = root.entries.get(key)
        if isinstance(table, Table) and "uds" in table.entries and getattr(settings, key).uds is not None:
            for other in ("host", "port"):
                if other in table.entries:
                    yield table.entries[other].problem(
                        found=f"`{other}` beside `uds`",
                        expected="one of them",
                        hint="a listener is a unix socket or a port",
                    )
    if settings.listeners_overlap:
        place = root.entries.get("admin", root)
        yield place.problem(
            found="the address of `server` again",
            expected="another address for the private listener",
            hint="give `admin` another port, or another path to `uds`",
        )


def purpose(root: Table, sources: Sequence[str]) -> Iterator[Diagnostic]:
    """Warning: a gateway out of which nothing goes. One into which nothing comes is refused by `refuse_to_serve`."""
    written = root.entries.get("routes")
    if sources and (is_null(written) or (isinstance(written, Items) and not written.items)):
        yield root.problem(
            found="no route is configured, so what comes in is kept and goes nowhere", hint="add `routes`"
        )


def store_driver(settings: Settings, root: Table) -> Iterator[Diagnostic]:
    """A store whose database nobody here can speak to, or whose rows nobody here can open."""
    if settings.store.url.partition("://")[0] in ("postgresql", "postgres"):
        for text in missing("postgres", "psycopg"):
            yield root.entries.get("store", root).problem(found=f"the store is PostgreSQL: {text}")
    if settings.store.encryption is not None:
        for text in missing("encryption", "cryptography"):
            yield root.entries.get("store", root).problem(found=f"the store is encrypted: {text}")


def exposure(settings: Settings, root: Table) -> Iterator[Diagnostic]:
    """Warning: admin tokens on an address that others can reach, in clear."""
    admin = settings.admin
    if admin.all_tokens and admin.uds is None and not is_loopback(admin.host):
        yield root.entries.get("admin", root).problem(
            found=f"admin tokens cross the network in clear: the private listener is on {admin.host}",
            hint="put a proxy with TLS in front of it, or listen on 127.0.0.1 or a unix socket",
        )


def consumers(settings: Settings, root: Table, known: Sequence[str]) -> Iterator[Diagnostic]:
    """A token of a consumer that lists a sink which is not there, or from which nothing can be fetched."""
    admin = root.entries.get("admin")
    listed = admin.entries.get("tokens") if isinstance(admin, Table) else None
    for number, token in enumerate(settings.admin.tokens):
        table = listed.items[number] if isinstance(listed, Items) and number < len(listed.items) else None
        if not isinstance(table, Table):
            continue
        yield from sinks_exist(table, "sinks", token.sinks, known)
        node = table.entries.get("sinks", table)
        for place, name in enumerate(token.sinks):
            sink = settings.sinks.get(name)
            if sink is not None and not sink.pulled:
                item = node.items[place] if isinstance(node, Items) and place < len(node.items) else node
                pulls = [other for other, one in settings.sinks.items() if one.pulled]
                yield item.problem(
                    found=f"the sink {name!r} is of the type {sink.type}, which calls its target itself",
                    expected="sinks of the type pull",
                    hint=f"these are: {', '.join(pulls)}" if pulls else "there is none; write one under `sinks`",
                )


def fetched(settings: Settings, sinks: Table | None) -> Iterator[Diagnostic]:
    """Warning: a sink that consumers fetch from, and no token of one that lists it."""
    listed = {name for token in settings.admin.tokens for name in token.sinks}
    for name, sink in settings.sinks.items():
        if sink.pulled and name not in listed and sinks is not None:
            yield sinks.key(name).problem(
                found=f"nobody can fetch from the sink {name!r}: no token of `admin.tokens` lists it",
                hint=f"add `{{name: …, token: …, role: pull, sinks: [{name}]}}`",
            )


def callers(settings: Settings, sources: Table | None) -> Iterator[Diagnostic]:
    """Warning: sources that take callbacks from some addresses only, behind a proxy that nobody named."""
    server = settings.server
    if server.trusted_proxies or (server.uds is None and not is_loopback(server.host)):
        return
    for name, source in settings.sources.items():
        here = server.uds is None and any(ip_address(one) in net for net in source.networks for one in _LOCAL)
        if source.networks and sources is not None and not here:
            place = sources.entries[name]
            node = place.entries.get("allow_from", place) if isinstance(place, Table) else place
            yield node.problem(
                found="`allow_from` lets nobody in: the public listener is one that only this machine can connect to",
                hint="name the proxy in front of it: `server: {trusted_proxies: [127.0.0.1]}`",
            )


def trust(
    routes: Sequence[tuple[Table, RouteSettings]], settings: Settings, min_trusts: Mapping[str, Trust]
) -> Iterator[Diagnostic]:
    """Warnings: a route that may bring a sink events whose signature covers less than the sink wants."""
    for table, route in routes:
        if route.where is not None and "trust" in route.where:
            continue  # it has thought of it
        for number, sink in enumerate(route.to):
            want = min_trusts.get(sink, Trust.NONE)
            weak = [name for name, source in settings.sources.items() if _may_bring_less(route, name, source, want)]
            if weak:
                node = table.entries.get("to", table)
                place = node.items[number] if isinstance(node, Items) else node
                takes = ", ".join(f"{name!r} takes `{settings.sources[name].min_trust}`" for name in weak)
                enough = [level.value for level in Trust if level.rank >= want.rank]
                yield place.problem(
                    found=f"the sink {sink!r} wants events whose signature covers `{want}`, and {takes}",
                    hint=f"set `min_trust: {want}` for the source, or `match: {{trust: [{', '.join(enough)}]}}` in the route",
                )


def _may_bring_less(route: RouteSettings, name: str, source: SourceSettings, want: Trust) -> bool:
    """Whether this route may carry an event of this source with a trust below `want`."""
    weaker = [level.value for level in Trust if source.min_trust.rank <= level.rank < want.rank]
    match: Mapping[str, Sequence[str]] = {"source": [name], "provider": [source.type], "trust": weaker}
    return all(
        any(fnmatchcase(value, glob) for value in values for glob in route.match.get(key, ("*",)))
        for key, values in match.items()
    )


def lookalikes(node: YamlNode | None, *, listed: bool = False) -> Iterator[Diagnostic]:
    """Warning: a text without quotes that holds what only looks like a quote, a comma or a blank of YAML."""
    if isinstance(node, Table):
        for entry in node.entries.values():
            yield from lookalikes(entry)
    elif isinstance(node, Items):
        for item in node.items:
            yield from lookalikes(item, listed=True)
    elif isinstance(node, Scalar) and node.plain and not node.text.isascii():
        ends = [letter for letter in (node.text[0], node.text[-1]) if letter in _ODD_ENDS]
        odd = [letter for letter in node.text if letter in _UNSEEN or (listed and letter in _COMMAS)]
        for letter in (ends + odd)[:1]:
            name = f"U+{ord(letter):04X} {unicodedata.name(letter)}"
            yield node.problem(
                found=f"the text holds {name}, which is part of the value and means nothing to YAML",
                hint="delete it, or write the ASCII one; where it is meant, put the whole text in quotes",
            )


def unfilled(every: Iterable[Scalar]) -> Iterator[Diagnostic]:
    """Warning: a text that is a variable of a shell, or of another program's templates, and stands here as it is."""
    for one in every:
        if not one.substituted and _SHELL.fullmatch(one.text):
            yield one.problem(
                found="the text looks like a variable, but nothing is put in its place: it stands as it is",
                hint="a variable of the environment is written ${NAME}, a secret's file ${file:/path}",
            )


def event_source(table: Table, test: TestSettings, known: Sequence[str]) -> Iterator[Diagnostic]:
    """Warning: a test of an event of a source that is not configured: it goes by what no event can be."""
    name = (test.event or {}).get("source")
    event = table.entries.get("event")
    if not isinstance(name, str) or not isinstance(event, Table) or not known:
        return
    name = name.removeprefix("/sources/")
    if name not in known and name != ALARM_SOURCE:
        yield event.entries["source"].problem(found=f"no source is called {name!r}", hint=near(name, known))


def clear_text(root: YamlNode, exposed: bool, scalars: Sequence[Scalar]) -> Iterator[Diagnostic]:
    """Warning: a file with secrets in clear that others can read. Keys of the example are known to everybody anyway."""
    clear = [
        one for one in scalars if one.secret and not one.substituted and one.text and not one.text.startswith("demo-")
    ]
    if exposed and clear:
        yield Diagnostic(
            file=root.file,
            path=clear[0].path,
            line=clear[0].line,
            column=clear[0].column,
            found="the configuration holds secrets and can be read by group or others",
            hint=f"{HOW_TO_CLOSE}; or move the secrets to variables or files: ${{NAME}}, ${{file:/path}}",
        )
