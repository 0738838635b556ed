"""What one invocation works on: the configuration that was named, and the store and routes it leads to."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gateway.errors import GatewayError
from gateway.text.file_trouble import missing_folder
from gateway.text.suggest import suggestion

if TYPE_CHECKING:
    from gateway.admin.beside_store import BesideStore
    from gateway.cli.remote_client import Remote
    from gateway.cli.remote_service import RemoteService
    from gateway.config.grammar.settings import Settings
    from gateway.config.load import Loaded
    from gateway.routing import Router
    from gateway.store.admin.admin import StoreAdmin
    from gateway.store.admin.audit import Actor

    Service = BesideStore | RemoteService

CONFIG_ENV: Final = "GATEWAY_CONFIG"
DEFAULT_CONFIG: Final = "gateway.yaml"
EVENTS_COMPLETED_MAX: Final = 200  # events among which a name is completed
_F = TypeVar("_F", bound=Callable[..., Any])


class Invocation:
    """The configuration file and what is read from it, at most once."""

    remote: Remote | None = None  # the gateway elsewhere that it works on

    def __init__(self, config: str | None = None) -> None:
        self.config = config
        self._loaded: dict[tuple[bool, bool], Loaded] = {}

    @property
    def path(self) -> Path:
        """`--config`, else $GATEWAY_CONFIG, else ./gateway.yaml."""
        return Path(self.config or os.environ.get(CONFIG_ENV) or DEFAULT_CONFIG)

    def load(self, *, placeholders: bool = False, judge: bool = False) -> Loaded:
        """The configuration. Raises ConfigError with all its problems, UsageError where there is no file.

        `placeholders` stand for variables and files that are not there. `judge` also hears what is allowed and unwise,
        and tries every `where`, which takes time.
        """
        self.must_exist()
        from gateway.config.load import load

        if (placeholders, judge) not in self._loaded:
            self._loaded[placeholders, judge] = load(
                self.path, environ=os.environ, placeholders=placeholders, judge=judge
            )
        return self._loaded[placeholders, judge]

    def must_exist(self) -> None:
        """Raises UsageError where there is no file."""
        if not self.path.exists():
            missing = missing_folder(self.path)
            raise click.UsageError(
                f"there is no configuration at {self.path}{f': {missing}' if missing else ''}. Name one with --config or ${CONFIG_ENV}; `gateway init` writes one."
            )

    @property
    def settings(self) -> Settings:
        """What does not depend on secrets: names, routes, addresses, the store."""
        return self.named().settings

    def named(self) -> Loaded:
        """The configuration for what does not depend on secrets.

        Because the shell of a person who looks after a gateway need not hold the secrets that the gateway has.
        """
        from gateway.config.document.substitution import PLACEHOLDER

        loaded = self.load(placeholders=True)
        store = loaded.settings.store
        if PLACEHOLDER in store.url or (store.password is not None and "placeholder" in store.password.reveal()):
            loaded = self.load()  # raises, and says which variable or file is not there
        return loaded

    @functools.cached_property
    def router(self) -> Router:
        """Today's routes."""
        from gateway.routing import Router

        return Router(self.settings.all_routes)

    def admin(self) -> StoreAdmin:
        """The store, beside a gateway that may be running. Use it in a `with`."""
        from gateway.admin.store_opener import store_admin

        return store_admin(self.settings)

    def service(self, *, whole: bool = True, actor: Actor | None = None) -> Service:
        """The admin side, beside the store. `whole`: with what signs URLs. Use it in a `with`."""
        from gateway.admin.beside_store import BesideStore

        return BesideStore(self.named(), whole=whole, actor=actor)

    def local(self) -> Invocation:
        """What a command works on that can only work beside a configuration."""
        return self

    def route(self) -> Any:
        """Says where today's routes send a stored event."""
        from gateway.intake.reverify import route_of

        return route_of(self.named())

    def ids(self) -> Any:
        """Says which events a refused callback would make."""
        from gateway.intake.reverify import ids_of

        return ids_of(self.named())

    def judge(self) -> Any:
        """Judges refused callbacks again, with today's keys."""
        from gateway.intake.reverify import judge_of

        return judge_of(self.load())

    def sink(self, name: str) -> str:
        """The name of a configured sink. Raises UsageError with a near miss."""
        return _known("sink", name, self.settings.sinks)

    def source(self, name: str) -> str:
        """The name of a configured source. Raises UsageError with a near miss."""
        return _known("source", name, self.settings.sources)


def _known(kind: str, name: str, known: Any) -> str:
    if name not in known:
        raise click.UsageError(f"no {kind} {name!r} is configured{suggestion(name, known)}")
    return name


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
    """Completes the names of configured `sources` or `sinks`, where there is a configuration that can be read."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        invocation = working(ctx)
        try:
            known = getattr(invocation.load(placeholders=True).settings, kind)
        except (click.ClickException, GatewayError):
            return []
        return [name for name in known if name.startswith(incomplete)]

    return complete


def event_types(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes the types of events."""
    from gateway.model import ALL_TYPES

    return [type for type in ALL_TYPES if type.startswith(incomplete)]


def event_ids(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes the names of the newest events, where there is a store that can be read."""
    invocation = working(ctx)
    try:
        with invocation.admin() as admin:
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

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"{value!r} is none of them{suggestion(str(value), self.choices)}"


def pass_invocation(command: _F) -> _F:
    """Give a command what it works on."""

    @functools.wraps(command)
    def begun(*arguments: Any, **options: Any) -> Any:
        return command(working(click.get_current_context()), *arguments, **options)

    return begun  # type: ignore[return-value]


def pass_local(command: _F) -> _F:
    """The same for what only works beside the configuration."""

    @functools.wraps(command)
    def begun(*arguments: Any, **options: Any) -> Any:
        return command(working(click.get_current_context()).local(), *arguments, **options)

    return begun  # type: ignore[return-value]
