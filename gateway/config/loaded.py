"""A configuration that was read and found well, and what can be asked of it."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.grammar.settings import Settings
from gateway.fields.config_file import named_files
from gateway.model import Event, order_key
from gateway.plugin.registry import Registry
from gateway.runtime.trace_settings import problems as trace_problems
from gateway.text.secret import Secret, secrets_of

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from gateway.egress.client import Http
    from gateway.events.redacted_event import Redaction
    from gateway.plugin import Callback, Sink, Source

JSON_HEADERS: Final = (("content-type", "application/json"),)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A configuration that can be served. `places` are line and column of every dotted path, `forms` the
    `${…}` that were put into one.

    `guessed` says that something in the routes is a stand-in (`check --no-secrets`), so that tests cannot judge them;
    `store_guessed` the same of the store, which cannot be opened then. `refused` is what is wrong with the file, where it was
    read despite that: only where the store is, the time zone and the names can be asked then; and of one that was `cut`,
    because reading it ended too soon, not all names. `doubted` are the sections with a mistake in them.
    """

    settings: Settings
    registry: Registry
    path: Path
    warnings: Sequence[Diagnostic] = ()
    places: Mapping[str, tuple[str, int, int]] = field(default_factory=dict, repr=False)
    forms: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    guessed: bool = False
    store_guessed: bool = False
    refused: ConfigError | None = None
    cut: bool = False
    doubted: frozenset[str] = frozenset()

    @property
    def watched_files(self) -> Sequence[Path]:
        """The file, and those that it names whose content is part of it. The file itself is the first."""
        named = [one.file for source in self.settings.sources.values() for one in source.allow_files]
        named += [sink.directory.file for sink in self.settings.sinks.values() if sink.directory is not None]
        named += named_files([source.options for source in self.settings.sources.values()])
        named += named_files([sink.options for sink in self.settings.sinks.values()])
        return [self.path, *dict.fromkeys(named)]

    def source(self, name: str) -> Source:
        """The source of this name, made afresh."""
        configured = self.settings.sources[name]
        return self.registry.source(configured.type)(name, configured.options)

    @functools.cached_property
    def redactions(self) -> Mapping[str, Redaction]:
        """What is taken out of events, by the names of the sources that have such rules."""
        return redactions_of(self.settings)

    def redact(self, event: Event) -> Event:
        """The event as it is stored: without what the rules of its source name."""
        rules = self.redactions.get(event.source)
        return event if rules is None else rules.redact(event)

    def callback(
        self, source: str, body: bytes, *, received_at: datetime, headers: Iterable[tuple[str, str]] = JSON_HEADERS
    ) -> Callback:
        """What the public listener would make of this body at the source's path, unless `headers` say otherwise as JSON."""
        from gateway.plugin import Callback

        path = f"/hooks/{self.settings.sources[source].path}"
        return Callback.of(source, body, headers=headers, path=path, received_at=received_at)

    def sink(self, name: str, http: Http, log: FilteringBoundLogger) -> Sink:
        """The sink of this name, made afresh and not opened yet."""
        configured = self.settings.sinks[name]
        sink = self.registry.sink(configured.type)(name, configured.options, http=http, log=log.bind(sink=name))
        sink.batched = configured.delivery.batch is not None
        return sink

    def order_key(self, sink: str, event: Event) -> str | None:
        """What this sink's deliveries of the event are kept in order by; None: nothing."""
        return order_key(event.source, event.subject, ordered=self.settings.sinks[sink].delivery.order == "stream")

    @property
    def token_place(self) -> str:
        """Where the first admin token is written, as `file:line`, for people who look for it; before it `${file:…}` or `${NAME}`, where it is kept elsewhere."""
        admin = self.settings.admin
        path = "admin.token" if admin.token is not None else "admin.tokens[0].token"
        file, line, _ = self.places.get(path, self.places.get("admin", (str(self.path), 0, 0)))
        place = f"{file}:{line}" if line else file
        return f"{', '.join(forms)} of {place}" if (forms := self.forms.get(path)) else place

    @property
    def demo_keys(self) -> Sequence[str]:
        """Dotted paths of the secrets that are keys of the example configuration."""
        return [path for path, secret in settings_secrets(self.settings) if secret.is_demo]

    def problem(self, path: str, *, found: str, expected: str = "", hint: str = "") -> Diagnostic:
        """A problem at a dotted path, or at the nearest one above it that stands in the file."""
        above = path
        while above not in self.places and "." in above:
            above = above.rpartition(".")[0]
        file, line, column = self.places.get(above, (str(self.path), 0, 0))
        return Diagnostic(file=file, line=line, column=column, path=path, found=found, expected=expected, hint=hint)


def refuse_demo_keys(loaded: Loaded) -> list[Diagnostic]:
    """A problem for every key of the example configuration, unless only this machine can reach both listeners."""
    if loaded.settings.on_loopback:
        return []
    return [
        loaded.problem(
            path,
            found="a key of the example configuration (demo-…), which everybody knows",
            expected="a key of your own while a listener is not on loopback",
            hint="`gateway secret` makes one; or listen on 127.0.0.1, ::1 or a unix socket",
        )
        for path in loaded.demo_keys
    ]


def refuse_to_serve(loaded: Loaded) -> list[Diagnostic]:
    """What is well as a file and must not run: demo keys where others can reach them, a gateway into which nothing comes."""
    problems = refuse_demo_keys(loaded)
    if not loaded.settings.sources:
        found = "no source is configured, so nothing can come in"
        problems.append(loaded.problem("sources", found=found, hint="`gateway init --print` shows one"))
    return problems + [
        Diagnostic(file="environment", path=variable, found=text, hint="OTEL_SDK_DISABLED=true turns traces off")
        for variable, text in trace_problems(os.environ)
    ]


def redactions_of(settings: Settings) -> Mapping[str, Redaction]:
    """The rules of `store.redact` and of each source, by its name; only of those that have some."""
    paths = {name: (*settings.store.redact, *source.redact) for name, source in settings.sources.items()}
    if not any(paths.values()):
        return {}
    from gateway.events.redacted_event import Redaction  # because most configurations have no such rule

    return {name: Redaction(rules) for name, rules in paths.items() if rules}


def settings_secrets(settings: Settings) -> list[tuple[str, Secret]]:
    """Every secret with the dotted path it has in the file."""
    return [(path.replace(".options.", ".", 1), secret) for path, secret in secrets_of(settings)]
