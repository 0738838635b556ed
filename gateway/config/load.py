"""Reads a configuration file: all of it is checked, and everything that is wrong is said at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from gateway.config import crosschecks
from gateway.config.document.diagnostics import PROBLEMS_SHOWN_MAX, ConfigError, Diagnostic, in_order, near, sections_of
from gateway.config.document.file_bytes import read_bounded
from gateway.config.document.nodes import (
    Items,
    Scalar,
    Table,
    YamlNode,
    is_null,
    key_advice,
    places_below,
    scalars,
    shown_key,
    untyped,
)
from gateway.config.document.substitution import Substitution
from gateway.config.document.yaml import compose
from gateway.config.entries import Entries
from gateway.config.grammar.settings import (
    AdminSettings,
    AlarmSettings,
    DeliverySettings,
    LocaleSettings,
    LogSettings,
    RouteSettings,
    Section,
    ServerSettings,
    Settings,
    StoreSettings,
)
from gateway.config.loaded import Loaded, refuse_demo_keys, refuse_to_serve, settings_secrets
from gateway.config.overrides import override
from gateway.config.redact_checks import redacted_needs
from gateway.config.route_reach import reach
from gateway.config.store_location import store_settings
from gateway.config.validation import Validation, where_raised
from gateway.config.watch_checks import watch_problems
from gateway.errors import PluginError
from gateway.plugin.own_code import own_code
from gateway.plugin.registry import Registry
from gateway.text import redaction

__all__ = ["Loaded", "load", "refuse_demo_keys", "refuse_to_serve", "settings_secrets"]


def load(
    path: str | Path,
    *,
    environ: Mapping[str, str] | None = None,
    placeholders: bool = False,
    judge: bool = True,
    despite: bool = False,
    registry: Callable[[Sequence[str], Path], Registry] = Registry,
) -> Loaded:
    """The configuration in this file. Raises ConfigError with every problem.

    `environ`: for `${NAME}` and the GATEWAY_ overrides; None: the process's own. `placeholders`: what is not set or
    not readable is stood in for. `judge=False` leaves out what costs time and changes nothing: trying `where` on samples.
    `despite` all that is wrong, what says where the store is, and the names: the rest is in `refused` then, and raised only
    where the store cannot be known. Nothing may be decided by such a one.
    """
    path = Path(path)
    return _Loading(path, os.environ if environ is None else environ, placeholders, judge, despite).load(registry)


S = TypeVar("S", bound=Section)


class _Plugins(Section):
    plugins: tuple[str, ...] = ()


class _Loading:
    def __init__(self, path: Path, environ: Mapping[str, str], placeholders: bool, judge: bool, despite: bool) -> None:
        self._path = path
        self._environ = environ
        self._placeholders = placeholders
        self._judge = judge
        self._despite = despite
        self._plugins: tuple[str, ...] = ()
        self._validation = Validation(path.absolute().parent)
        self._problems = self._validation.problems
        self._warnings = self._validation.warnings

    def load(self, make_registry: Callable[[Sequence[str], Path], Registry]) -> Loaded:
        root: YamlNode
        mistaken, cut = None, False
        if self._despite:
            from gateway.config.refused_file import read_despite, usable  # because a gateway has no such file

            root, exposed, mistaken, cut = read_despite(self._path)
        else:
            source, exposed = read_bounded(self._path)
            root = compose(source, str(self._path))
        substitution = Substitution(self._environ, self._validation.base, self._placeholders)
        substitution.substitute(root)
        self._problems += substitution.problems
        self._warnings += substitution.warnings
        if not isinstance(root, Table):
            raise ConfigError(
                [root.problem(found="no mapping", expected="a mapping: version, sources, sinks, routes, …")]
            )
        override(root, self._path, self._environ)
        self._unknown(root)
        registry = self._registry(root, make_registry)
        settings, entries = self._settings(root, registry)
        refused: ConfigError | None = None
        if self._despite and (mistaken or self._problems):
            rest = () if cut else self._problems  # of what was not read whole they are consequences
            refused = ConfigError([*(mistaken.problems if mistaken else ()), *rest], self._warnings)
            settings = usable(settings, root, mistaken, refused, registry, self._validation.base, cut=cut)
        for _, secret in settings_secrets(settings):
            redaction.learn_secret(secret.reveal())
        self._warnings += crosschecks.clear_text(root, exposed, list(scalars(root)))
        self._warnings += [*crosschecks.lookalikes(root), *crosschecks.unfilled(scalars(root))]
        if self._judge:
            self._hear(entries, settings, root)
        if self._problems and refused is None:
            raise ConfigError(self._problems, self._warnings)
        return Loaded(
            refused=refused,
            cut=cut,
            doubted=sections_of([*self._problems, *(refused.problems if refused else ())]),
            settings=settings,
            registry=registry,
            path=self._path,
            warnings=tuple(in_order(self._warnings)),
            places=places_below(root),
            forms={scalar.path: scalar.names for scalar in scalars(root) if scalar.names},
            store_guessed=any(scalar.placeholder for scalar in scalars(root.entries.get("store"))),
            guessed=any(scalar.placeholder for scalar in scalars(root.entries.get("routes"))),
        )

    # -- before the sections

    def _unknown(self, root: Table) -> None:
        known = list(Settings.model_fields)
        for key in root.entries:
            if key not in known and len(self._problems) < PROBLEMS_SHOWN_MAX:
                place = root.key(key)
                place.path = shown_key(key)
                hint = near(key, known)
                self._problems.append(
                    place.problem(
                        found="an unknown key",
                        expected="one of " + ", ".join(known),
                        hint=key_advice(key) or (hint if hint.startswith("did") else ""),
                    )
                )

    def _registry(self, root: Table, make: Callable[[Sequence[str], Path], Registry]) -> Registry:
        """The registry with every plugin that can be loaded; each of the others is a problem."""
        version, list_node = root.entries.get("version"), root.entries.get("plugins")
        unknown = isinstance(version, Scalar) and version.placeholder
        if version is not None and not is_null(version) and not unknown and str(untyped(version)) != "1":
            self._problems.append(version.problem(found="another version of the grammar", expected="1"))
        head = None if is_null(list_node) else self._validation.model(root.only(("plugins",)), _Plugins)
        listed = list(head.plugins) if head is not None else []
        while True:
            try:
                self._plugins = tuple(listed)
                return make(listed, self._validation.base)
            except PluginError as error:
                # it stops at the first that fails; the longest prefix that loads says which one that was
                at = next(
                    (n for n in range(len(listed)) if not _loads(make, listed[: n + 1], self._validation.base)), 0
                )
                place = list_node or root
                if isinstance(list_node, Items) and at < len(list_node.items):
                    place = list_node.items.pop(at)
                self._problems.append(place.problem(found=str(error)))
                listed.pop(at)

    # -- the sections

    def _section(self, root: Table, key: str, model: type[S]) -> S:
        table = self._validation.table(root.entries.get(key), root.key(key))
        made = None if table is None else self._validation.model(table, model)
        return model() if made is None else made

    def _settings(self, root: Table, registry: Registry) -> tuple[Settings, Entries]:
        entries = Entries(self._validation, registry, self._judge)
        if isinstance(store := root.entries.get("store"), Scalar) and not store.null:
            root.entries["store"] = Table(
                file=store.file, line=store.line, column=store.column, path="store", entries={"url": store}
            )
        admin = root.entries.get("admin")
        if isinstance(admin, Table) and isinstance(token := admin.entries.get("token"), Scalar) and token.optional:
            del admin.entries["token"]  # because `${GATEWAY_ADMIN_TOKEN:-}` says that there may be none
        defaults = root.entries.get("delivery")
        defaults = defaults if isinstance(defaults, Table) else None
        server: ServerSettings = self._section(root, "server", ServerSettings)
        sources = entries.sources(root.entries.get("sources"), root)
        locale: LocaleSettings = self._section(root, "locale", LocaleSettings)
        sinks = entries.sinks(root.entries.get("sinks"), root, defaults, locale)
        routes = entries.routes(root.entries.get("routes"))
        tests = entries.tests(root.entries.get("tests"))
        watches = entries.watches(root.entries.get("watch"))
        settings = Settings.model_construct(
            version=1,
            server=server,
            admin=self._section(root, "admin", AdminSettings),
            store=store_settings(self._section(root, "store", StoreSettings), root, self._validation),
            log=self._section(root, "log", LogSettings),
            locale=locale,
            delivery=self._section(root, "delivery", DeliverySettings),
            plugins=self._plugins,
            sources=sources,
            sinks=sinks,
            routes=tuple(route for _, route in routes),
            watch=tuple(rule for _, rule in watches),
            alarms=self._section(root, "alarms", AlarmSettings),
            tests=tuple(test for _, test in tests),
        )
        source_names, sink_names = _keys(root, "sources"), _keys(root, "sinks")
        self._problems += crosschecks.listeners(settings, root)
        self._problems += crosschecks.store_driver(settings, root)
        self._problems += crosschecks.consumers(settings, root, sink_names)
        if isinstance(root.entries.get("sources"), Table):
            self._problems += crosschecks.paths(sources, root.entries["sources"])  # type: ignore[arg-type]
        self._problems += crosschecks.names(routes)
        for table, route in routes:
            self._problems += crosschecks.sinks_exist(table, "to", route.to, sink_names)
            self._where(table, route)
        self._problems += watch_problems(watches, source_names)
        if isinstance(section := root.entries.get("alarms"), Table):
            self._problems += crosschecks.sinks_exist(section, "to", settings.alarms.to, sink_names)
            self._problems += crosschecks.alarm_types(section, settings.alarms.types)
        for table, test in tests:
            self._problems += crosschecks.sinks_exist(table, "expect", test.expect, sink_names)
            self._problems += crosschecks.callback_source(table, test, source_names)
            self._warnings += crosschecks.event_source(table, test, source_names)
        self._warnings += crosschecks.purpose(root, source_names)
        self._warnings += crosschecks.exposure(settings, root)
        sources_table = root.entries.get("sources")
        self._warnings += crosschecks.callers(settings, sources_table if isinstance(sources_table, Table) else None)
        self._warnings += crosschecks.trust(routes, settings, entries.wanted_trust)
        for mistaken, diagnostic in redacted_needs(routes, settings, entries.wanted_fields):
            (self._problems if mistaken else self._warnings).append(diagnostic)
        sinks_table = root.entries.get("sinks")
        self._warnings += crosschecks.fetched(settings, sinks_table if isinstance(sinks_table, Table) else None)
        self._warnings += reach(routes, settings, root, entries.bounds_of(source_names))
        return settings, entries

    def _where(self, table: Table, route: RouteSettings) -> None:
        if route.where is None:
            return
        from gateway.where import WhereError, checked

        node = table.entries["where"]
        if isinstance(node, Scalar) and node.placeholder:
            return
        if not self._judge:
            return
        try:
            verdict = checked(route.where, route.match.get("type", ("*",)))
        except WhereError as error:
            place = f"column {error.column} of the expression: " if error.column else ""
            self._problems.append(node.problem(found=place + error.detail, hint=error.hint))
            return
        self._problems += [node.problem(found=text) for text in verdict.errors]
        self._warnings += [node.problem(found=text) for text in verdict.warnings]

    def _hear(self, entries: Entries, settings: Settings, root: Table) -> None:
        """What plugins and rules have to say about options that are valid, but weak."""
        places = places_below(root)
        for path, secret in settings_secrets(settings):
            if secret.advice:
                file, line, column = places.get(path, (root.file, 0, 0))
                self._warnings.append(Diagnostic(file=file, line=line, column=column, path=path, found=secret.advice))
        for path, instance in entries.instances.items():
            file, line, column = places.get(path, (root.file, 0, 0))
            try:
                with own_code():
                    said = [redaction.redact(str(text)) for text in instance.advice()]
            except Exception as error:  # a plugin's own code
                said = [f"its advice failed: {where_raised(error)}"]
            self._warnings += [Diagnostic(file=file, line=line, column=column, path=path, found=text) for text in said]


def _loads(make: Callable[[Sequence[str], Path], Registry], listed: Sequence[str], base: Path) -> bool:
    try:
        make(listed, base)
    except PluginError:
        return False
    return True


def _keys(root: Table, key: str) -> list[str]:
    node = root.entries.get(key)
    return list(node.entries) if isinstance(node, Table) else []
