"""The configuration that `gateway init` writes: commented, with fresh secrets, and ready to be served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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

sources:
  live:                       # callbacks come to POST /hooks/@PATH@
    type: huawei-live
    path: @PATH@   # nobody can guess it, since the vendor's URL can carry no other secret
    keys:
      - @KEY@   # the same key goes into the vendor's console
    sign_type: hmac-sha256
    # Exact names close a gap of the vendor's signature. List yours:
    # domains: [push.example.com]
    # apps: [live]

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


def render(secret: Callable[..., str]) -> str:
    """The text of the file. `secret("key")` and `secret("webhook")` make a fresh secret each time."""
    text = _TEMPLATE
    for mark, value in (
        ("@TOKEN@", secret("key")),
        ("@PATH@", "live-" + secret("key")[:16]),
        ("@KEY@", secret("key")),
        ("@WEBHOOK@", secret("webhook")),
    ):
        text = text.replace(mark, value)
    return text
