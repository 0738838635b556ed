"""What commands share: the options that name what they work on, completion, groups, and choices with near misses."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, TypeVar

import click

from gateway.cli.invocation import CONFIG_ENV, DEFAULT_CONFIG, Invocation
from gateway.errors import GatewayError
from gateway.text.suggest import suggestion

EVENTS_COMPLETED_MAX: Final = 200  # events among which a name is completed

_F = TypeVar("_F", bound=Callable[..., object])


def _worked_on(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Note one of the options, and make of all of them what the command works on."""
    if value is None:
        return
    root = ctx.find_root()
    said = root.meta.setdefault("gateway.working", {})
    said[parameter.name] = value
    root.obj = ctx.obj = None  # made when the command begins


def working(ctx: click.Context) -> Invocation:
    """What the options, the environment and the context in use say."""
    root = ctx.find_root()
    if root.obj is None:
        from gateway.cli.remote import invocation_of

        said = root.meta.get("gateway.working", {})
        root.obj = invocation_of(said.get("config"), said.get("url"), said.get("token_file"))
    found: Invocation = root.obj
    return found


_CONFIG: Final = click.option(
    "-c",
    "--config",
    metavar="FILE",
    help=f"The configuration. Default: ${CONFIG_ENV}, else ./{DEFAULT_CONFIG}.",
    expose_value=False,
    is_eager=True,
    callback=_worked_on,
)


def local_option(command: _F) -> _F:
    """`--config` alone, for what only works beside the configuration."""
    return _CONFIG(command)


def config_option(command: _F) -> _F:
    """`--config`, `--url` and `--token-file` after the command's name too, because that is where people write them."""
    options = (
        _CONFIG,
        click.option(
            "--token-file",
            metavar="FILE",
            help="With --url: a file that holds a token. Default: $GATEWAY_TOKEN.",
            expose_value=False,
            is_eager=True,
            callback=_worked_on,
        ),
        click.option(
            "--url",
            metavar="URL",
            help="Work on a gateway elsewhere: its private listener. Default: $GATEWAY_URL.",
            expose_value=False,
            is_eager=True,
            callback=_worked_on,
        ),
    )
    for option in options:
        command = option(command)
    return command


def names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Completes the names of configured `sources` or `sinks`, as far as the file can be read."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        from gateway.config.plain_store import names_in

        try:
            path = working(ctx).local().path
        except click.ClickException:  # a gateway elsewhere was named, and is not asked at every key
            return []
        return [name for name in names_in(path, kind) if name.startswith(incomplete)]

    return complete


def event_types(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes the types of events."""
    from gateway.model import ALL_TYPES

    return [type for type in ALL_TYPES if type.startswith(incomplete)]


def event_ids(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes the names of the newest events, where there is a store that can be read."""
    invocation = working(ctx)
    try:
        with invocation.reading() as admin:
            return [row.ref for row in admin.events(limit=EVENTS_COMPLETED_MAX) if row.ref.startswith(incomplete)]
    except (click.ClickException, GatewayError):
        return []


class Group(click.Group):
    """A group that names the command that was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"no command {name!r}{suggestion(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


class Choice(click.Choice[str]):
    """One of several words; a wrong one is answered with the one that was probably meant."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        return f"{value!r} is none of them{suggestion(str(value), self.choices)}"


def pass_invocation(command: _F) -> _F:
    """Give a command what it works on."""

    @functools.wraps(command)
    def begun(*arguments: object, **options: object) -> object:
        return command(working(click.get_current_context()), *arguments, **options)

    return begun  # type: ignore[return-value]


def pass_local(command: _F) -> _F:
    """The same for what only works beside the configuration."""

    @functools.wraps(command)
    def begun(*arguments: object, **options: object) -> object:
        return command(working(click.get_current_context()).local(), *arguments, **options)

    return begun  # type: ignore[return-value]
