"""Reads the sources, sinks and routes: core keys by the core's models, the rest by the options of the plugin's type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeVar, overload

import msgspec
from pydantic import BaseModel

from gateway.config.allow_files import read_allow_files
from gateway.config.document.diagnostics import PROBLEMS_SHOWN_MAX, near
from gateway.config.document.nodes import Items, Scalar, Table, YamlNode, describe, is_null, key_advice, shown_key
from gateway.config.grammar.directory import DirectorySettings
from gateway.config.grammar.identifiers import NAME_TEXT, is_name
from gateway.config.grammar.settings import (
    LocaleSettings,
    RouteSettings,
    SinkSettings,
    SourceSettings,
    TestSettings,
)
from gateway.config.grammar.watch import WatchSettings
from gateway.config.sink_delivery import owner_rate, sink_delivery
from gateway.config.validation import Validation, where_raised
from gateway.errors import PluginError
from gateway.events.field_path import wanted_paths
from gateway.model import Trust
from gateway.plugin.own_code import own_code

if TYPE_CHECKING:
    from gateway.plugin import Sink, Source
    from gateway.plugin.registry import Registry

SOURCE_KEYS: Final = ("type", "path", "min_trust", "allow_from", "max_body", "on_conflict", "keep_ids", "redact")
SINK_KEYS: Final = ("type", "delivery", "directory")
T = TypeVar("T")
P = TypeVar("P", "Source", "Sink")


class Entries(msgspec.Struct):
    """Reads the named and numbered parts of the file. What cannot be read is left out, and its problem noted."""

    validation: Validation
    registry: Registry
    judge: bool = True  # try expressions on samples
    instances: dict[str, Source | Sink] = msgspec.field(default_factory=dict)  # by dotted path; for their advice
    bounds: dict[str, Mapping[str, Sequence[str]]] = msgspec.field(default_factory=dict)  # of the events of each source
    wanted_trust: dict[str, Trust] = msgspec.field(default_factory=dict)  # of the events of each sink
    wanted_fields: dict[str, Sequence[str]] = msgspec.field(default_factory=dict)  # the same

    def sources(self, node: YamlNode | None, root: Table) -> dict[str, SourceSettings]:
        """All sources by name."""
        sources: dict[str, SourceSettings] = {}
        for name, table in self._named(node, root, "sources"):
            cls = self._type(table, "source")
            core = self.validation.model(
                table.only(SOURCE_KEYS), SourceSettings, given={"path": name, **_left_out(table)}
            )
            if core is not None:
                self.validation.problems += read_allow_files(core, table)
            if cls is None:
                continue
            options = self._options(table, cls.Options, SOURCE_KEYS)
            source = self._make(table, cls.type, partial(cls, name, options)) if options is not None else None
            if core is None or options is None or source is None:
                continue
            changes: dict[str, object] = {"options": options}
            if "min_trust" not in table.entries and source.unsigned:
                changes["min_trust"] = Trust.NONE  # because asking for no signature says it already
            sources[name] = core.model_copy(update=changes)
            self._warn_if_nobody_enters(table, source, sources[name].min_trust)
            self.bounds[name] = self._bounds(table, name, source, sources[name].min_trust)
        return sources

    def bounds_of(self, names: Collection[str]) -> Mapping[str, Mapping[str, Sequence[str]]] | None:
        """What the events of these sources always are; None: not all of them could be read."""
        return self.bounds if len(self.bounds) == len(names) else None

    def _bounds(self, table: Table, name: str, source: Source, least: Trust) -> Mapping[str, Sequence[str]]:
        nothing: Mapping[str, Sequence[str]] = {}
        claimed = self._ask(
            table,
            f"the {source.type} does not say what its events always are",
            lambda: {str(key): [str(glob) for glob in globs] for key, globs in source.always.items()},
            nothing,
        )
        most = source.most_trust if source.reconcile is None else None  # a vendor's list may be worth more
        trusts = [one.value for one in Trust if least.rank <= one.rank <= (most or Trust.BODY).rank]
        return {**claimed, "source": [name], "trust": trusts}

    def _warn_if_nobody_enters(self, table: Table, source: Source, min_trust: Trust) -> None:
        most = source.most_trust
        if most is not None and most.rank < min_trust.rank:
            warning = table.entries.get("min_trust", table).problem(
                found=f"`min_trust: {min_trust}` lets nobody in: with these options a signature covers `{most}` at most",
                hint=f"set `min_trust: {most}`, or accept signatures that cover more",
            )
            self.validation.warnings.append(warning)

    def sinks(
        self, node: YamlNode | None, root: Table, defaults: Table | None, locale: LocaleSettings
    ) -> dict[str, SinkSettings]:
        """All sinks by name; `defaults` is the top-level `delivery`, `locale` what their options take where they have it."""
        shown = {"timezone": locale.timezone, "language": locale.language}
        sinks: dict[str, SinkSettings] = {}
        for name, table in self._named(node, root, "sinks"):
            cls = self._type(table, "sink")
            if cls is None:
                sink_delivery(self.validation, table, defaults)
                continue
            given = {key: value for key, value in shown.items() if key in cls.Options.model_fields}
            directory, options = self._target(table, cls, given)
            delivery = sink_delivery(self.validation, table, defaults, cls, options, directory=directory is not None)
            make: Callable[..., Sink] = cls  # which gets no client and no log here, because it does nothing
            sink = None
            if options is not None:
                sink = self._make(table, cls.type, partial(make, name, options, http=None, log=None))
            if delivery is not None and options is not None and sink is not None:
                configured = SinkSettings(type=cls.type, delivery=delivery, directory=directory, options=options)
                sinks[name] = configured.of_type(cls)
                self.wanted_trust[name] = self._wanted_trust(table, sink)
                self.wanted_fields[name] = self._wanted_fields(table, sink)
        return sinks

    def _target(
        self, table: Table, cls: type[Sink], given: Mapping[str, object]
    ) -> tuple[DirectorySettings | None, BaseModel | None]:
        """The sink's directory, if it has one, and its options; of a directory's owners one stands for all."""
        node = table.entries.get("directory")
        if is_null(node):
            return None, self._options(table, cls.Options, SINK_KEYS, given)
        section = self.validation.table(node, table)
        directory = None if section is None else self.validation.model(section, DirectorySettings)
        if directory is None:
            return None, None
        from gateway.config.owner_tables import OwnerTable  # because only sinks with a directory need CEL and CSV

        owners = OwnerTable(self.validation, table, cls, SINK_KEYS, given, judge=self.judge)
        options = owners.fill(directory)
        if section is not None and "rate" not in section.entries and options is not None:
            rate = owner_rate(self.validation, table, cls, options)
            directory = directory.model_copy(update={"rate": rate})
        return directory, options

    def _wanted_trust(self, table: Table, sink: Sink) -> Trust:
        return self._ask(table, f"the {sink.type} has no wanted trust", lambda: Trust(sink.wanted_trust), Trust.NONE)

    def _wanted_fields(self, table: Table, sink: Sink) -> Sequence[str]:
        text = f"the {sink.type} does not say which fields it wants"
        return self._ask(table, text, lambda: wanted_paths(sink.wanted_fields), ())

    def _ask(self, table: Table, text: str, ask: Callable[[], T], otherwise: T) -> T:
        """What a plugin's own code answers; where it fails, `otherwise`, and a problem that begins with this text."""
        try:
            with own_code():
                return ask()
        except Exception as error:
            self.validation.problems.append(table.problem(found=f"{text}: {where_raised(error)}"))
            return otherwise

    def routes(self, node: YamlNode | None) -> list[tuple[Table, RouteSettings]]:
        """All routes, in order."""
        return [
            (table, route)
            for number, table in self._numbered(node)
            if (route := self.validation.model(table, RouteSettings, given={"name": f"route-{number}"})) is not None
        ]

    def watches(self, node: YamlNode | None) -> list[tuple[Table, WatchSettings]]:
        """All rules of `watch`, in order."""
        return [
            (table, rule)
            for _, table in self._numbered(node)
            if (rule := self.validation.model(table, WatchSettings)) is not None
        ]

    def tests(self, node: YamlNode | None) -> list[tuple[Table, TestSettings]]:
        """All route tests, in order."""
        return [
            (table, test)
            for _, table in self._numbered(node)
            if (test := self.validation.model(table, TestSettings)) is not None
        ]

    # -- parts

    def _named(self, node: YamlNode | None, root: Table, key: str) -> Iterator[tuple[str, Table]]:
        tables = self.validation.table(node, root.key(key))
        for name, entry in tables.entries.items() if tables is not None else ():
            if len(self.validation.problems) > PROBLEMS_SHOWN_MAX:
                return
            place = tables.key(name) if tables is not None else entry
            if not is_name(name):
                place.path = f"{key}.{shown_key(name)}"
                self.validation.problems.append(place.problem(found="another kind of name", expected=NAME_TEXT))
            elif (table := self.validation.table(entry, place)) is not None:
                table.line, table.column = place.line, place.column  # because that is the line people look for
                yield name, table

    def _numbered(self, node: YamlNode | None) -> Iterator[tuple[int, Table]]:
        if node is None or is_null(node):
            return
        if not isinstance(node, Items):
            hint = "each entry begins with `- `, and its name stands in it" if isinstance(node, Table) else ""
            self.validation.problems.append(node.problem(found=describe(node), expected="a list", hint=hint))
            return
        for number, item in enumerate(node.items, 1):
            if len(self.validation.problems) > PROBLEMS_SHOWN_MAX:
                return  # because a file of nothing but mistakes should not take minutes
            if (table := self.validation.table(item, item)) is not None:
                yield number, table

    @overload
    def _type(self, table: Table, kind: Literal["source"]) -> type[Source] | None: ...
    @overload
    def _type(self, table: Table, kind: Literal["sink"]) -> type[Sink] | None: ...
    def _type(self, table: Table, kind: Literal["source", "sink"]) -> type[Source | Sink] | None:
        """The plugin's class, or None and a problem at `type`."""
        known = self.registry.source_types() if kind == "source" else self.registry.sink_types()
        node = table.entries.get("type")
        if not isinstance(node, Scalar) or node.null or not node.text:
            place = node or table
            missing = YamlNode(file=place.file, line=place.line, column=place.column, path=table.below("type"))
            advice = next(
                filter(None, map(key_advice, table.entries)), ""
            )  # because `type:x` and `type：x` are keys without value
            expected = f"a {kind} type: {', '.join(known) or 'none is installed'}"
            self.validation.problems.append(missing.problem(found=describe(node), expected=expected, hint=advice))
            return None
        if node.placeholder:
            return None
        try:
            cls = self.registry.source(node.text) if kind == "source" else self.registry.sink(node.text)
            if taken := sorted(_keys_of(cls.Options) & set(SOURCE_KEYS if kind == "source" else SINK_KEYS)):
                self.validation.problems.append(
                    node.problem(
                        found=f"the {kind} type {node.text} from {cls.origin} has an option called {taken[0]}",
                        expected="another name: the gateway itself reads that key",
                    )
                )
                return None
            return cls
        except PluginError as error:
            if node.text in known:
                self.validation.problems.append(node.problem(found=str(error)))
            else:
                node.shown = True
                hint = near(node.text, known)
                own = "a type of your own needs its package installed here, or its file under `plugins:`"
                self.validation.problems.append(
                    node.problem(
                        found=f"the type {describe(node)}",
                        expected=f"an installed {kind} type: {', '.join(known) or 'there is none'}",
                        hint=hint if hint.startswith("did") else own,
                    )
                )
            return None

    def _options(
        self, table: Table, options: type[BaseModel], core: Collection[str], given: Mapping[str, object] | None = None
    ) -> BaseModel | None:
        return self.validation.model(table, options, others=core, given=given)

    def _make(self, table: Table, type: str, make: Callable[[], P]) -> P | None:
        """The plugin's object, to see that it can be made and to hear its advice."""
        try:
            with own_code():
                instance = make()
        except Exception as error:  # a plugin's own code
            self.validation.problems.append(table.problem(found=f"the {type} cannot be made: {where_raised(error)}"))
            return None
        self.instances[table.path] = instance
        self._missing(table, instance)
        return instance

    def _missing(self, table: Table, instance: Source | Sink) -> None:
        """A library that is not installed is a mistake before the first delivery, not at it."""
        try:
            with own_code():
                texts = list(getattr(instance, "missing", tuple)())
        except Exception as error:  # a plugin's own code
            texts = [f"the {instance.type} does not say what is missing: {where_raised(error)}"]
        place = table.entries.get("type", table)
        self.validation.problems += [
            place.problem(found=f"the {instance.type} cannot work here: {text}") for text in texts
        ]


def _keys_of(options: type[BaseModel]) -> set[str]:
    """The keys that an options model reads."""
    return {field.alias or name for name, field in options.model_fields.items()}


def _left_out(table: Table) -> Mapping[str, object]:
    """A type that is missing has its own problem already."""
    return {} if isinstance(table.entries.get("type"), Scalar) else {"type": "?"}
