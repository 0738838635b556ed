"""The configuration that `gateway init` writes: commented, with fresh secrets, and ready to be served."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.errors import PluginError
from gateway.plugin import Source
from gateway.plugin.registry import Registry

_TEMPLATE: Final = """\
# Recording Gateway. `gateway check` validates this file, `gateway serve` runs it.
# Every key and its default: docs/configuration.md. For an editor: `gateway schema`.
# This file holds secrets. Keep it to yourself (chmod 600), or put them elsewhere:
#   ${NAME}  a variable of the environment      ${file:/run/secrets/name}  a file
version: 1

server:                       # the vendor's callbacks come here, through a proxy that does TLS
  host: 127.0.0.1
  port: 8080

admin:                        # health, metrics, and pages that you sign in to with this token; keep it private
  host: 127.0.0.1
  port: 9090
  token: @TOKEN@

store: sqlite:///gateway.db   # beside this file. Several gateways share a postgresql://user@host/database

@SOURCES@
sinks:
  log:                        # a readable line an event, on standard output
    type: console
  archive:                    # every event as a line of JSON
    type: file
    path: recordings.jsonl
  # app:                      # your own service; it verifies the signature with the same secret
  #   type: forward
  #   url: http://127.0.0.1:9000/recordings
  #   sign: {scheme: standard-webhooks, secrets: [@WEBHOOK@]}

routes:
  - name: everything
    to: [log, archive]
  # - name: finished
  #   match: {type: recording.file.completed, app: live}
  #   where: "event.data.files.exists(f, has(f.duration_seconds) && f.duration_seconds > 60.0)"
  #   to: [app]

tests:                        # run by `gateway check`
  - {event: {type: recording.failed, stream: vip-7}, expect: [log, archive]}
"""


_SOURCE: Final = """\
sources:
  live:                       # callbacks come to POST /hooks/@PATH@
    type: @TYPE@
    path: @PATH@   # nobody can guess it: a second key, where the vendor's URL can carry no other
"""


ASKED: Final = {"DOMAINS": "push.example.com", "APPS": "live", "HOST": "hooks.example.com"}
"""What `gateway init` asks for where a starter has its mark, and what stands there without an answer."""

StarterAnswers = Mapping[str, Sequence[str]]


def source_type(registry: Registry, named: str | None = None) -> type[Source] | None:
    """The type that the file begins with; None: none of the installed ones says how to begin.

    Raises PluginError where the named one is not there, or does not say how.
    """
    if named is not None:
        source = registry.source(named)
        if not source.starter:
            raise PluginError(
                f"the source type {named} does not say how to begin; docs/configuration.md has its options"
            )
        return source
    types: list[type[Source]] = []
    for name in registry.source_types():
        try:
            source = registry.source(name)
        except PluginError:  # of a broken package, which `gateway check` names where it is used
            continue
        if source.starter:
            types.append(source)
    return next((source for source in types if source.first_choice), types[0] if types else None)


def questions(source: type[Source] | None) -> Sequence[str]:
    """Which of ASKED this type wants to know."""
    return [name for name in ASKED if source is not None and f"@{name}@" in source.starter]


def render(
    secret: Callable[..., str],
    registry: Registry | None = None,
    *,
    source: str | None = None,
    answers: StarterAnswers | None = None,
    token: str | None = None,
) -> str:
    """The text of the file. `token` stands for the admin token, such as `${file:…}`. `secret("key")` and `secret("webhook")` make a fresh secret each time.

    A line of the starter with a mark that nobody answered is written as a comment; an address gets an example. Raises
    PluginError for a type of source that is not there, or does not say how to begin.
    """
    text = _TEMPLATE.replace("@SOURCES@", _source(source_type(registry or Registry(), source), answers or {}))
    path = "live-" + secret("key")[:16]
    for mark, value in (("@TOKEN@", token or secret("key")), ("@PATH@", path), ("@WEBHOOK@", secret("webhook"))):
        text = text.replace(mark, value)
    for mark, kind in (("@KEY@", "key"), ("@WEBHOOK_SECRET@", "webhook")):
        while mark in text:
            text = text.replace(mark, secret(kind), 1)
    return text


def _source(source: type[Source] | None, answers: StarterAnswers) -> str:
    if source is None:
        return "sources: {}                   # no installed type says how to begin; docs/configuration.md does\n"
    starter = "".join(_answered(line, answers) for line in source.starter.splitlines(keepends=True))
    return _SOURCE.replace("@TYPE@", source.type) + textwrap.indent(starter, "    ")


def _answered(line: str, answers: StarterAnswers) -> str:
    for name, example in ASKED.items():
        mark, given = f"@{name}@", answers.get(name, ())
        if mark not in line:
            continue
        if name == "HOST":
            line = line.replace(mark, given[0] if given else example)
        elif given:
            line = line.replace(mark, json.dumps(list(given), ensure_ascii=False))
        else:
            line = "# " + line.replace(mark, f"[{example}]")
    return line
