"""Reads the `delivery` of a sink: what it says itself, over what holds for all, over what fits its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.document.nodes import Scalar, Table, is_null
from gateway.config.grammar.delivery import DeliverySettings
from gateway.config.grammar.directory import DIRECTORY_CONCURRENCY
from gateway.config.validation import Validation, where_raised
from gateway.fields import Rate, parse_rate
from gateway.plugin.own_code import own_code

if TYPE_CHECKING:
    from gateway.plugin import Sink


def sink_delivery(
    validation: Validation,
    table: Table,
    defaults: Table | None,
    cls: type[Sink] | None = None,
    options: object = None,
    *,
    directory: bool = False,
) -> DeliverySettings | None:
    """The settings of the sink that stands in `table`, or None and problems. `defaults` is the top-level `delivery`, `cls` its
    type and `options` its options, where they could be read; with a `directory` what fits the type is said of each owner."""
    own = validation.table(table.entries.get("delivery"), table)
    if own is None:
        return None
    merged = merge(defaults, own)
    if cls is None:
        return validation.model(merged, DeliverySettings)
    named = "rate" in own.entries or not is_null(merged.entries.get("rate"))
    if directory:
        if "concurrency" not in merged.entries:
            merged.entries["concurrency"] = _of_type(table, "concurrency", str(DIRECTORY_CONCURRENCY))
    elif not named and (rate := _usual_rate(validation, table, cls, options)) is not None:
        merged.entries["rate"] = _of_type(table, "rate", rate)
    if directory or not _takes_batches(validation, table, cls, options):
        if not is_null(batch := own.entries.get("batch")):
            assert batch is not None
            found = f"`batch` for a sink {_taking_singly(cls, directory=directory)}"
            validation.problems.append(batch.problem(found=found, hint="leave `batch` out here"))
        merged.entries.pop("batch", None)  # because the top-level one is meant for sinks that can
    elif cls.batches_when_asked and "batch" not in own.entries:
        merged.entries.pop("batch", None)
    return validation.model(merged, DeliverySettings)


def owner_rate(validation: Validation, table: Table, cls: type[Sink], options: object) -> Rate | None:
    """The rate that fits one target of this type, which is one owner's."""
    text = _usual_rate(validation, table, cls, options)
    try:
        return None if text is None else parse_rate(text)
    except ValueError as error:
        validation.problems.append(table.problem(found=f"the {cls.type} has no usual rate: {error}"))
        return None


def _of_type(table: Table, key: str, text: str) -> Scalar:
    """A value that the type brings, at the place where that is said."""
    place = table.entries["type"]
    path = f"{table.path}.delivery.{key}"
    return Scalar(file=place.file, line=place.line, column=place.column, path=path, text=text, quoted=True)


def _taking_singly(cls: type[Sink], *, directory: bool) -> str:
    if directory:
        return "with a directory, where each event has an owner of its own"
    if not cls.takes_batches():
        return f"of the type {cls.type}, which takes events singly"
    return f"of the type {cls.type} that takes events singly with these options"


def _usual_rate(validation: Validation, table: Table, cls: type[Sink], options: object) -> str | None:
    """The rate that the type brings for these options, which are None where they could not be read."""
    if options is None:
        return cls.default_rate
    try:
        with own_code():
            return cls.usual_rate(options)
    except Exception as error:  # a plugin's own code
        validation.problems.append(table.problem(found=f"the {cls.type} has no usual rate: {where_raised(error)}"))
        return None


def _takes_batches(validation: Validation, table: Table, cls: type[Sink], options: object) -> bool:
    try:
        with own_code():
            return cls.takes_batches() if options is None else cls.takes_batches(options)
    except Exception as error:  # a plugin's own code
        said = table.problem(found=f"the {cls.type} does not say whether it takes batches: {where_raised(error)}")
        validation.problems.append(said)
        return False


def merge(under: Table | None, over: Table) -> Table:
    """`over` on top of `under`, key by key, also inside tables that both have."""
    merged = Table(file=over.file, line=over.line, column=over.column, path=over.path)
    for table in (under, over):
        if table is None:
            continue
        for key, node in table.entries.items():
            there = merged.entries.get(key)
            merged.entries[key] = merge(there, node) if isinstance(there, Table) and isinstance(node, Table) else node
        merged.keys |= table.keys
    return merged
