"""An invocation that works on a gateway elsewhere: its names, its store and its routes come through the admin API."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gateway.cli import contexts
from gateway.cli.invocation import CONFIG_ENV, Invocation

if TYPE_CHECKING:
    from gateway.cli.remote_client import Remote
    from gateway.cli.remote_service import RemoteService
    from gateway.config.load import Loaded
    from gateway.model import Event
    from gateway.store.admin.audit import Actor
    from gateway.store.admin.commands import Rerouting
    from gateway.store.admin.queries import StoreQueries
    from gateway.store.admin.refusals import Judge

TOKEN_FILE_BYTES_MAX = 4096  # bytes of a token's file


class RemoteInvocation(Invocation):
    """Where a command needs the configuration itself, and the gateway was named for it, that is an error."""

    def __init__(self, remote: Remote, config: str | None = None) -> None:
        super().__init__(config)
        self.remote = self._there = remote

    def local(self) -> Invocation:
        """Raises UsageError where the gateway was named for this very command; a context in use is passed over."""
        if self._there.chosen:
            raise click.UsageError("this works beside the configuration, not through --url or GATEWAY_URL")
        return Invocation(None)

    def load(self, *, placeholders: bool = False, judge: bool = False) -> Loaded:
        return self.local().load(placeholders=placeholders, judge=judge)

    @functools.cached_property
    def settings(self) -> Any:
        """What commands ask of the settings: names and types, the time zone, the address that vendors call."""
        answer = self._there.get("/config")
        shown, pulled = answer["settings"], frozenset(answer["pulled"])
        public = shown["server"]
        from gateway.config.grammar.settings import ServerSettings
        from gateway.model import Trust

        server = ServerSettings.model_construct(host=public["host"], port=public["port"], uds=public["uds"])
        return SimpleNamespace(
            sources={
                name: SimpleNamespace(type=one["type"], path=one["path"], min_trust=Trust(one["min_trust"]))
                for name, one in shown["sources"].items()
            },
            sinks={
                name: SimpleNamespace(type=one["type"], pulled=name in pulled) for name, one in shown["sinks"].items()
            },
            locale=SimpleNamespace(timezone=shown["locale"]["timezone"]),
            server=server,
        )

    def must_be_well(self) -> None:
        """Its gateway runs with one that is."""

    @functools.cached_property
    def router(self) -> Any:
        """The routes that run there."""
        return _RemoteRouter(self._there)

    def admin(self) -> Any:
        """Its store."""
        from gateway.cli.remote_admin import RemoteAdmin

        return RemoteAdmin(self._there)

    def reading(self) -> StoreQueries:
        """Its store."""
        questions: StoreQueries = self.admin()
        return questions

    def service(self, *, whole: bool = True, actor: Actor | None = None) -> RemoteService:
        """Its admin API; what it says, and who acts, is decided by the token."""
        from gateway.cli.remote_service import RemoteService

        return RemoteService(self._there, masked=not whole)

    def glance(self) -> RemoteService:
        """Its admin API."""
        return self.service()

    def route(self) -> Rerouting:
        """Its gateway knows."""
        return _known_there

    def ids(self) -> None:
        """Its gateway knows."""

    def reverifier(self) -> Judge:
        """Its gateway knows."""
        return _known_there


def _known_there(*_: object) -> NoReturn:
    raise AssertionError("a gateway elsewhere is asked by name, and decides this itself")


class _RemoteRouter:
    """Asks the gateway where an event would go."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def decide(self, event: Event) -> object:
        from gateway.events.cloudevents import to_document

        answer = self._remote.post("/route", {"event": to_document(event)})
        return SimpleNamespace(
            sinks=tuple(answer["sinks"]), json=lambda: json.dumps(answer["routes"], ensure_ascii=False)
        )


def invocation_of(config: str | None, url: str | None, token_file: str | None) -> Invocation:
    """What a command works on: `--config`, else `--url`, else $GATEWAY_URL, else $GATEWAY_CONFIG, else the context in use,
    else ./gateway.yaml. Raises UsageError."""
    if url is None and token_file is not None and config is None and not os.environ.get("GATEWAY_URL"):
        raise click.UsageError("--token-file goes with --url")
    if config is not None and url is not None:
        raise click.UsageError("--config and --url exclude each other")
    if config is not None:
        return Invocation(config)
    url = url or os.environ.get("GATEWAY_URL") or None
    if url is not None:
        token = os.environ.get("GATEWAY_TOKEN") if token_file is None else read_token(token_file)
        return _remote(url, token, chosen=True)
    if not os.environ.get(CONFIG_ENV) and (used := contexts.used()) is not None:
        return _remote(used.url, read_token(used.token_file), chosen=False)
    return Invocation(None)


def _remote(url: str, token: str | None, *, chosen: bool) -> RemoteInvocation:
    from gateway.cli.remote_client import checked  # because a gateway that starts here needs no client

    return RemoteInvocation(checked(url, token, chosen=chosen))


def read_token(file: str) -> str:
    """The token in a file. Raises UsageError."""
    try:
        with Path(file).expanduser().open("rb") as opened:
            return opened.read(TOKEN_FILE_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no ASCII text"
        raise click.UsageError(f"cannot read the token's file {file}: {why}") from None
