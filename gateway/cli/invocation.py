"""What one invocation works on: the configuration that was named, and the store and routes it leads to."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, Literal

import click

from gateway.text.suggest import suggestion

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.admin.beside_store import BesideStore
    from gateway.admin.glance import Glance
    from gateway.cli.remote_client import Remote
    from gateway.cli.remote_service import RemoteService
    from gateway.config.grammar.settings import AdminSettings, Settings
    from gateway.config.load import Loaded
    from gateway.config.plain_store import PlainStore
    from gateway.routing import Router
    from gateway.store.admin.admin import StoreAdmin
    from gateway.store.admin.audit import Actor
    from gateway.store.admin.commands import Rerouting
    from gateway.store.admin.erasure import Ids
    from gateway.store.admin.queries import StoreQueries
    from gateway.store.admin.refusals import Judge

    StoreService = BesideStore | RemoteService

CONFIG_ENV: Final = "GATEWAY_CONFIG"

DEFAULT_CONFIG: Final = "gateway.yaml"


class Invocation:
    """The configuration file and what is read from it, at most once."""

    remote: Remote | None = None  # the gateway elsewhere that it works on

    def __init__(self, config: str | None = None) -> None:
        self.config = config
        self._loaded: dict[tuple[bool, bool], Loaded] = {}
        self._despite: Loaded | None = None
        self._plain: PlainStore | None = None

    @property
    def path(self) -> Path:
        """`--config`, else $GATEWAY_CONFIG, else ./gateway.yaml."""
        from pathlib import Path  # here and below: because `gateway --help` names no file

        return Path(self.config or os.environ.get(CONFIG_ENV) or DEFAULT_CONFIG)

    def load(self, *, placeholders: bool = False, judge: bool = False) -> Loaded:
        """The configuration. Raises ConfigError with all its problems, UsageError where there is no file.

        `placeholders` stand for variables and files that are not there. `judge` also hears what is allowed and unwise,
        and tries every `where`, which takes time.
        """
        self.must_exist()
        if (placeholders, judge) not in self._loaded:
            self._loaded[placeholders, judge] = self._from_file(placeholders=placeholders, judge=judge)
        return self._loaded[placeholders, judge]

    def _from_file(self, *, placeholders: bool = False, judge: bool = False, despite: bool = False) -> Loaded:
        """What a plugin prints while it is loaded goes to standard error, because it is no part of the answer."""
        from gateway.config.load import load

        with contextlib.redirect_stdout(sys.stderr):
            return load(self.path, environ=os.environ, placeholders=placeholders, judge=judge, despite=despite)

    def must_exist(self) -> None:
        """Raises UsageError where there is no file."""
        try:
            there = self.path.exists()
        except OSError as error:  # of a folder on the way that may not be entered
            raise click.UsageError(f"the configuration {self.path} cannot be read: {error.strerror}") from None
        if not there:
            from gateway.text.file_trouble import missing_folder

            missing = missing_folder(self.path)
            raise click.UsageError(
                f"there is no configuration at {self.path}{f': {missing}' if missing else ''}. Name one with --config or ${CONFIG_ENV}; `gateway init` writes one."
            )

    @property
    def settings(self) -> Settings:
        """What does not depend on secrets: names, addresses, the store; of a refused configuration what `seen` has."""
        return self.seen().settings

    def seen(self, *, remarked: bool = True) -> Loaded:
        """The configuration for who looks after its store. Of one that is refused, where the store is and the names, so that a
        person can do that meanwhile, and says so once (unless `remarked` is false). Raises ConfigError where even that is not known.
        """
        if self._despite is not None:
            return self._despite
        from gateway.config.document.diagnostics import ConfigError

        try:
            return self.named()
        except ConfigError:
            loaded = self._from_file(placeholders=True, despite=True)
            if (refused := loaded.refused) is None:  # nothing is wrong but that something of the store is not here
                raise
        if loaded.cut:
            from gateway.admin.store_opener import with_names_of_store

            loaded = with_names_of_store(loaded)
        self._despite = loaded
        if remarked:
            from gateway.admin.attention import refused_text
            from gateway.cli.output import remark

            remark(f"{refused_text(refused)}; `gateway check` says all of it. What follows is of the store alone.")
        return loaded

    def private_listener(self) -> AdminSettings:
        """Where a gateway that runs with this configuration is asked, and the tokens; also of one that is refused now for anything
        else. Raises ConfigError."""
        from gateway.config.document.diagnostics import ConfigError

        try:
            return self.load().settings.admin
        except ConfigError:
            loaded = self._from_file(despite=True)
            if "admin" in loaded.doubted or (loaded.cut and "admin" not in loaded.places):
                raise
            return loaded.settings.admin

    def must_be_well(self) -> None:
        """For what the routes, keys or types of the configuration decide. Raises ConfigError where it is refused."""
        self.named()

    def named(self) -> Loaded:
        """The configuration for what does not depend on secrets.

        Because the shell of a person who looks after a gateway need not hold the secrets that the gateway has.
        """
        loaded = self.load(placeholders=True)
        if loaded.store_guessed:
            loaded = self.load()  # raises, and says which variable or file is not there
        return loaded

    @functools.cached_property
    def router(self) -> Router:
        """Today's routes."""
        from gateway.routing import Router

        return Router(self.named().settings.all_routes)

    def admin(self) -> StoreAdmin:
        """The store, beside a gateway that may be running. Use it in a `with`."""
        from gateway.admin.store_opener import store_admin

        return store_admin(self.settings)

    def reading(self) -> StoreQueries:
        """The same for a command that only asks. What the configuration says beside is read when something needs it."""
        self.must_exist()
        from gateway.config.plain_store import plain_store
        from gateway.text.store_address import parse_address

        plain = None if self._loaded else plain_store(self.path, os.environ)
        if plain is None or not os.path.exists(
            parse_address(plain.url).path
        ):  # where there is none, the rest may say why
            return self.admin()
        from gateway.admin.store_opener import store_questions

        self._plain = plain
        return store_questions(plain.url, plain.sinks, lambda: self.settings)

    def names(self, kind: Literal["sinks", "sources"], name: str) -> bool:
        """Whether the configuration names it; most that is asked of a store needs no more of it than that."""
        plain: Collection[str] = () if self._plain is None else getattr(self._plain, kind)
        return name in plain or name in getattr(self.settings, kind)

    def service(self, *, whole: bool = True, actor: Actor | None = None) -> StoreService:
        """The admin side, beside the store. `whole`: with what signs URLs. Use it in a `with`."""
        from gateway.admin.beside_store import BesideStore

        return BesideStore(self.seen(remarked=False), whole=whole, actor=actor)

    def glance(self) -> Glance | RemoteService:
        """The whole at a glance, beside the store: a question, without what acts. Use it in a `with`."""
        from gateway.admin.glance import Glance

        return Glance(self.seen(remarked=False))

    def local(self) -> Invocation:
        """What a command works on that can only work beside a configuration."""
        return self

    def route(self) -> Rerouting:
        """Says where today's routes send a stored event."""
        from gateway.intake.reverify import route_of

        return route_of(self.named())

    def ids(self) -> Ids | None:
        """Says which events a refused callback would make."""
        from gateway.intake.reverify import ids_of

        return ids_of(self.named())

    def reverifier(self) -> Judge:
        """Judges refused callbacks again, with today's keys."""
        from gateway.intake.reverify import reverifier_of

        return reverifier_of(self.load())

    def sink(self, name: str) -> str:
        """The name of a configured sink. Raises UsageError with a near miss."""
        return self._known("sink", name, self.settings.sinks)

    def source(self, name: str) -> str:
        """The name of a configured source. Raises UsageError with a near miss."""
        return self._known("source", name, self.settings.sources)

    def _known(self, kind: str, name: str, known: Collection[str]) -> str:
        if name in known:
            return name
        if self.remote is None and f"{kind}s.{name}" in self.seen().places:
            self.load()  # raises: what it is depends on a variable or file that is not here
        raise click.UsageError(f"no {kind} {name!r} is configured{suggestion(name, known)}")
