"""The configuration that `gateway init` writes: commented, with fresh secrets, and ready to be served."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Final

from gateway.errors import PluginError
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

admin:                        # health, readiness and metrics; keep it private
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


def render(secret: Callable[..., str], registry: Registry | None = None) -> str:
    """The text of the file. `secret("key")` and `secret("webhook")` make a fresh secret each time.

    Its source is of the first installed type that says how to begin (`Source.starter`).
    """
    text = _TEMPLATE.replace("@SOURCES@", _source(registry or Registry()))
    path = "live-" + secret("key")[:16]
    for mark, value in (("@TOKEN@", secret("key")), ("@PATH@", path), ("@WEBHOOK@", secret("webhook"))):
        text = text.replace(mark, value)
    while "@KEY@" in text:
        text = text.replace("@KEY@", secret("key"), 1)
    return text


def _source(registry: Registry) -> str:
    for name in registry.source_types():
        try:
            starter = registry.source(name).starter
        except PluginError:  # of a broken package, which `gateway check` names where it is used
            continue
        if starter:
            return _SOURCE.replace("@TYPE@", name) + textwrap.indent(starter, "    ")
    return "sources: {}                   # no installed type says how to begin; docs/configuration.md does\n"
