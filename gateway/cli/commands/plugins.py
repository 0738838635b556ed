"""`gateway plugins`: which source and sink types there are, and what each can be told."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output
from gateway.cli.command_options import Choice, Group, local_option, pass_local
from gateway.cli.invocation import Invocation
from gateway.cli.table import folded
from gateway.text.escaping import visible, visible_json
from gateway.text.file_trouble import file_trouble
from gateway.text.suggest import suggestion

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaValue

    from gateway.plugin import Sink, Source
    from gateway.plugin.installed import Installed
    from gateway.plugin.registry import Registry


_ISO_DURATION: Final = re.compile(r"P(\d+[DW]|T?\d)")
_DEFAULT_CHARS_MAX: Final = 40  # characters of a default in the table


@click.group(cls=Group, short_help="Source and sink types: list, show, new.")
def command() -> None:
    """Source and sink types: the built-in ones, installed packages, and what `plugins:` in the configuration lists."""


@command.command("list")
@output.listing_options
@local_option
@pass_local
def list_(invocation: Invocation, as_json: bool, limit: int, everything: bool) -> None:
    """Every type that a configuration can name. None is imported for it, except what `plugins:` lists."""
    output.print_rows(
        _registry(invocation).installed(),
        {
            "kind": lambda one: one.kind,
            "type": lambda one: one.name,
            "from": lambda one: one.origin,
            "target": lambda one: one.target,
        },
        _object,
        what="plugins",
        as_json=as_json,
        limit=limit,
        everything=everything,
    )


@command.command()
@click.argument("name", metavar="TYPE")
@click.option("--kind", type=Choice(["source", "sink"]), help="Where a source and a sink type have one name.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object; `options` is a JSON Schema.")
@local_option
@pass_local
def show(invocation: Invocation, name: str, kind: str | None, as_json: bool) -> None:
    """One type: what it is for, and every option with its type and default."""

    from gateway.plugin.own_code import own_code

    registry = _registry(invocation)
    sources, sinks = registry.source_types(), registry.sink_types()
    kinds = [one for one, known in (("source", sources), ("sink", sinks)) if name in known and kind in (None, one)]
    hooks = [one for one in registry.installed() if (one.kind, one.name) == ("plugin", name)]
    if not kinds and hooks and kind is None:
        _show_hooks(hooks[0], as_json)
        return
    if not kinds and kind is not None and name in (sinks if kind == "source" else sources):
        other = "sink" if kind == "source" else "source"
        raise click.UsageError(
            f"no type {name!r} of kind {kind}: it is a {other} type; leave --kind out, or say --kind {other}"
        )
    if not kinds:
        raise click.UsageError(f"no type {name!r}{suggestion(name, [*sources, *sinks])}")
    if len(kinds) > 1:
        raise click.UsageError(f"{name!r} is both a source and a sink type: add --kind source or --kind sink")
    cls: type[Source | Sink] = registry.source(name) if kinds == ["source"] else registry.sink(name)
    model: type[BaseModel] = cls.Options
    try:
        with own_code():
            model.model_json_schema()
    except Exception as error:  # a plugin's own types
        detail = str(error).splitlines()[0]
        raise click.ClickException(
            f"{registry.origin(kinds[0], name)}: the options of the {kinds[0]} type {name} have no schema: "
            f"{type(error).__name__}: {detail}"
        ) from None
    if as_json:
        shown = {
            "kind": kinds[0],
            "type": name,
            "from": registry.origin(kinds[0], name),
            "about": inspect.getdoc(cls),
            "options": model.model_json_schema(),
        }
        if columns := getattr(cls, "owner_columns", None):
            shown["owner_columns"] = dict(columns)
        click.echo(visible_json(shown, indent=True))
        return
    click.echo(f"{kinds[0]} type {name}, from {registry.origin(kinds[0], name)}")
    click.echo()
    for line in (inspect.getdoc(cls) or "").splitlines():
        click.echo(visible(line))
    click.echo()
    rows = options(model)
    if rows:
        folded(
            ["option", "type", "default", "about"],
            [[name, type, _short(default), *more] for name, type, default, *more in rows],
        )
    else:
        click.echo("It has no options.")
    if columns := getattr(cls, "owner_columns", None):
        click.echo(f"\nWhat a directory may say of an owner: {', '.join(columns)}.")


def _object(plugin: Installed) -> Mapping[str, str]:
    return {"kind": plugin.kind, "type": plugin.name, "from": plugin.origin, "target": plugin.target}


def _show_hooks(plugin: Installed, as_json: bool) -> None:
    """A plugin that brings hooks: it is not imported, because only `plugins:` makes it active."""
    if as_json:
        click.echo(visible_json(_object(plugin), indent=True))
    else:
        click.echo(f"plugin {plugin.name}, from {plugin.origin} ({plugin.target})")
        click.echo(f"It brings hooks, and is active where the configuration says `plugins: [{plugin.name}]`.")


@command.command()
@click.argument("name")
@click.option("--sink", is_flag=True, help="A sink; what is written if neither is named.")
@click.option("--source", is_flag=True, help="A source.")
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write it: a folder that is empty or not there. Default: ./recording-gateway-NAME.",
)
def new(name: str, sink: bool, source: bool, folder: Path | None) -> None:
    """Write a package for a type of your own: plugin, options, tests, README. `gateway new-plugin` is the same.

    It is complete and its tests pass; change it until it does what you need. NAME is the type that a configuration
    will say, such as `acme-pager`.
    """
    from gateway.cli.scaffold import ScaffoldNames, render, write
    from gateway.plugin.registry import Registry

    if sink and source:
        raise click.UsageError("--sink and --source together: one package brings one of them")
    kind = "source" if source else "sink"
    try:
        names = ScaffoldNames(name, kind)
    except ValueError as error:
        raise click.UsageError(f"{name!r} cannot be a type's name; expected {error}") from None
    registry = Registry()
    if name in (registry.source_types() if source else registry.sink_types()):
        raise click.UsageError(f"there is a {kind} type {name!r} already, from {registry.origin(kind, name)}")
    target = folder or Path(names.distribution)
    files = render(names)
    try:
        write(target, files)
    except FileExistsError:
        raise click.ClickException(f"{target} is not empty; name another folder with --folder") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {target}: {file_trouble(target, error)}") from None
    for path in sorted(files):
        click.echo(f"wrote {target / path}", err=True)
    click.echo(f"Next: cd {target}; pip install --editable '.[test]'; pytest", err=True)


def options(model: type[BaseModel]) -> Sequence[Sequence[str]]:
    """Name, type, default and description of every option of a model, nested ones with their dotted path."""
    schema = model.model_json_schema()
    return list(_walk(schema, schema.get("$defs", {}), ""))


def _walk(schema: JsonSchemaValue, defs: Mapping[str, JsonSchemaValue], prefix: str) -> Sequence[Sequence[str]]:
    rows: list[Sequence[str]] = []
    required = schema.get("required", [])
    for name, entry in schema.get("properties", {}).items():
        default = "(required)" if name in required else _default(entry)
        rows.append([prefix + name, _type(entry, defs), default, entry.get("description", "")])
        for nested in _objects(entry, defs):
            rows += _walk(nested, defs, f"{prefix}{name}.")
    return rows


def _objects(entry: JsonSchemaValue, defs: Mapping[str, JsonSchemaValue]) -> Sequence[JsonSchemaValue]:
    """The models behind an entry: `Model`, `Model | None`, or each of several."""
    found = defs.get(str(entry.get("$ref", "")).rpartition("/")[2], entry)
    if found.get("type") == "object" and found.get("properties"):
        return [found]
    branches = [one for key in ("anyOf", "oneOf", "allOf") for one in found.get(key, ())]
    return [model for one in branches for model in _objects(one, defs)]


def _short(default: str) -> str:
    """As much of a long list as leaves room for what the option is about; `--json` has it whole."""
    return default if len(default) <= _DEFAULT_CHARS_MAX else f"{default[: _DEFAULT_CHARS_MAX - 1]}…"


def _default(entry: Mapping[str, object]) -> str:
    default = entry.get("default")
    if isinstance(default, str):
        return _duration(default) if _ISO_DURATION.match(default) else default or '""'
    return "" if default is None else visible_json(default)


def _duration(text: str) -> str:
    """JSON Schema holds durations as ISO 8601 has them; people write them as the configuration does."""
    from datetime import timedelta

    from pydantic import TypeAdapter

    from gateway.fields import format_duration

    return format_duration(TypeAdapter(timedelta).validate_python(text))


def _type(entry: JsonSchemaValue, defs: Mapping[str, JsonSchemaValue]) -> str:
    if "$ref" in entry:
        name = entry["$ref"].rpartition("/")[2]
        return _type(defs[name], defs) if name in defs else name
    if "enum" in entry:
        return " | ".join(str(value) for value in entry["enum"])
    if "const" in entry:
        return str(entry["const"])
    for branches in ("anyOf", "oneOf"):
        if branches in entry:
            return " | ".join(dict.fromkeys(_type(one, defs) for one in entry[branches]))
    kind = entry.get("type")
    if kind == "array":
        return f"list of {_type(entry.get('items', {}), defs)}"
    names = {"string": "text", "object": "mapping", "boolean": "true | false", "null": "null", None: "any"}
    return names.get(kind, str(kind))


def _registry(invocation: Invocation) -> Registry:
    """The types this configuration sees; without a configuration, what is installed."""
    from gateway.plugin.registry import Registry

    return invocation.load(placeholders=True).registry if invocation.path.exists() else Registry()
