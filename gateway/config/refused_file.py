"""What a refused configuration still says, for people who look after the store meanwhile: where it is, and which names there are.

Because that is when a person needs the store, and a gateway that runs goes on with what it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.document.file_bytes import read_bounded
from gateway.config.document.nodes import Scalar, Table, is_null, scalars
from gateway.config.document.yaml import compose_despite
from gateway.config.entries import SOURCE_KEYS
from gateway.config.grammar.identifiers import is_name
from gateway.config.grammar.settings import DeliverySettings, Settings, SinkSettings, SourceSettings, StoreSettings
from gateway.config.sink_delivery import sink_delivery
from gateway.config.store_location import store_settings
from gateway.config.validation import Validation
from gateway.errors import PluginError

if TYPE_CHECKING:
    from gateway.plugin.registry import Registry

PLACE_KEYS: Final = ("url", "password", "encryption")  # of `store`: where it is, and what opens it
_BEGINS_STORE: Final = re.compile(rb"""^["']?store["']?[ \t]*:""", re.MULTILINE)
UNKNOWN_TYPE: Final = "?"  # of a sink or a source whose own entry cannot be read


class ReadSoFar(NamedTuple):
    """A file as far as it could be read, whether too many may read it, and what is wrong with its YAML. `cut`: reading ended before the file did."""

    root: Table
    exposed: bool
    mistaken: ConfigError | None = None
    cut: bool = False


def read_despite(path: Path) -> ReadSoFar:
    """The file, whatever is wrong with it. A section that may not have been read to its end is left out, but for the names in it."""
    try:
        source, exposed = read_bounded(path)
    except ConfigError as error:
        return ReadSoFar(Table(file=str(path), line=1, column=1), False, error, True)
    root, mistaken, begun = compose_despite(source, str(path))
    if begun is not None:
        unended = begun or next(reversed(root.entries), "")  # what is indented wrongly ends an entry early
        if unended not in ("sinks", "sources"):
            root.entries.pop(unended, None)
        if (
            len(_BEGINS_STORE.findall(source)) > 1
        ):  # the other one is behind the mistake, or is no key but a line of a text
            root.entries.pop("store", None)
    return ReadSoFar(root, exposed, mistaken, begun is not None)


def usable(
    settings: Settings,
    root: Table,
    mistaken: ConfigError | None,
    refused: ConfigError,
    registry: Registry,
    base: Path,
    *,
    cut: bool,
) -> Settings:
    """What can be asked of a configuration that is `refused`, among others for what is `mistaken` in its YAML. Raises it where it
    does not say beyond doubt where the store is."""
    if mistaken is not None and any(_of_the_store(one.path) for one in mistaken.problems):
        raise refused
    if not cut and _names_none(root) and (mistaken is not None or _may_mean_one(root)):
        raise _unnamed(refused, "where it is may be said in what is wrong")
    place = _place(root, base, refused, cut=cut)
    return _with_stand_ins(settings.model_copy(update={"store": place}), root, registry, base)


def _of_the_store(path: str) -> bool:
    """Whether a mistake of the YAML, such as a key that is there twice, leaves open where the store is."""
    return path in {"store", *(f"store.{key}" for key in PLACE_KEYS)} or path.startswith("store.encryption.")


def _names_none(root: Table) -> bool:
    """Whether it leaves the store where it is by default."""
    section = root.entries.get("store")
    return section is None or is_null(section) or (isinstance(section, Table) and "url" not in section.entries)


def _may_mean_one(root: Table) -> bool:
    """Whether a key that nobody knows, or one in a place where it means nothing, may have been to say where the store is."""
    section = root.entries.get("store")
    beside = [node for key, node in root.entries.items() if key not in ("sinks", "sources")]
    return (
        bool(root.entries.keys() - Settings.model_fields.keys())
        or (isinstance(section, Table) and bool(section.entries.keys() - StoreSettings.model_fields.keys()))
        or any(isinstance(node, Table) and "store" in node.entries for node in beside)
    )


def _unnamed(refused: ConfigError, why: str) -> ConfigError:
    last = refused.problems[-1]
    doubt = Diagnostic(
        file=last.file,
        line=last.line,
        column=last.column,
        path="store",
        found=why,
        hint="GATEWAY_STORE=sqlite:///FILE names the store meanwhile",
    )
    return ConfigError([*refused.problems, doubt], refused.warnings)


def _place(root: Table, base: Path, refused: ConfigError, *, cut: bool) -> StoreSettings:
    section = root.entries.get("store")
    if cut and section is None:
        raise _unnamed(refused, "what stands there cannot be read before this is mended")
    validation = Validation(base)
    table = validation.table(section, root.key("store"))
    place = Table(file=root.file, path="store") if table is None else table.only(PLACE_KEYS)
    store = validation.model(place, StoreSettings)
    if store is not None:
        store = store_settings(store, Table(file=root.file, entries={"store": place}), validation)
    missing = [
        one.problem(found=f"what is not here: {' and '.join(one.names)}") for one in scalars(place) if one.placeholder
    ]
    if store is None or validation.problems or missing:
        raise ConfigError([*refused.problems, *missing], refused.warnings)
    return store


def _with_stand_ins(settings: Settings, root: Table, registry: Registry, base: Path) -> Settings:
    """An entry for each name whose own cannot be used: of its type, and with what can be read of it."""
    defaults = root.entries.get("delivery")
    sinks, sources = dict(settings.sinks), dict(settings.sources)
    for name, table in _named(root, "sinks", sinks):
        delivery = sink_delivery(Validation(base), table, defaults if isinstance(defaults, Table) else None)
        sinks[name] = stand_in_sink(_type(table), delivery, registry)
    for name, table in _named(root, "sources", sources):
        core = Validation(base).model(table.only(SOURCE_KEYS), SourceSettings, given={"path": name})
        sources[name] = core or stand_in_source(_type(table))
    return settings.model_copy(update={"sinks": sinks, "sources": sources})


def stand_in_sink(
    type: str = UNKNOWN_TYPE, delivery: DeliverySettings | None = None, registry: Registry | None = None
) -> SinkSettings:
    """A sink of which no more is known."""
    sink = SinkSettings.model_construct(type=type, delivery=delivery or DeliverySettings())
    try:
        return sink if registry is None else sink.of_type(registry.sink(type))
    except PluginError:
        return sink


def stand_in_source(type: str = UNKNOWN_TYPE) -> SourceSettings:
    """A source of which no more is known: its path is empty."""
    return SourceSettings.model_construct(type=type, path="")


def _named(root: Table, key: str, known: Mapping[str, object]) -> Iterator[tuple[str, Table]]:
    section = root.entries.get(key)
    for name, node in section.entries.items() if isinstance(section, Table) else ():
        if name not in known and is_name(name):
            yield name, node if isinstance(node, Table) else Table(file=root.file, path=f"{key}.{name}")


def _type(table: Table) -> str:
    node = table.entries.get("type")
    return node.text if isinstance(node, Scalar) and node.text and not node.placeholder else UNKNOWN_TYPE
