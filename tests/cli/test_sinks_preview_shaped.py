"""`gateway sinks preview` shows the request that templates make, asks nobody for a token, and shows no secret."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import KEY, Cli

CONFIG = f"""
version: 1
sources:
  live: {{type: huawei-live, keys: [{KEY}], sign_type: hmac-sha256-fields, domains: [push.example.com], apps: [live]}}
sinks:
  shaped:
    type: forward
    url: "https://api.example.com/v1/{{{{ event.data.app }}}}/recordings?stream={{{{ event.data.stream }}}}"
    method: "{{% if event.type == 'recording.failed' %}}PUT{{% else %}}POST{{% endif %}}"
    secrets: {{key: preview-canary-in-a-body}}
    headers: {{X-Stream: "s-{{{{ event.data.stream }}}}", Authorization-Next: "Bearer preview-canary-in-a-header {{{{ event.id }}}}"}}
    sign:
      scheme: oauth2
      token_url: https://login.example.com/token
      client_id: me
      client_secret: preview-canary-of-a-client
    body:
      template: |
        {{"stream": {{{{ event.data.stream }}}}, "api": "{{{{ secrets.key }}}}"}}
  narrow:
    type: forward
    url: "https://api.example.com/{{{{ event.data.error.code }}}}"
routes: [{{to: [shaped, narrow]}}]
"""


def test_the_request_of_a_template_is_shown_as_it_would_go_out(folder: Path, cli: Cli) -> None:
    (folder / "gateway.yaml").write_text(CONFIG)
    shown = cli("sinks", "preview", "shaped", "--type", "recording.failed")
    head, _, body = shown.stdout.partition("\n\n")
    first, *headers = head.splitlines()
    assert first == "PUT https://api.example.com/v1/live/recordings?stream=********"
    assert "x-stream: s-test-message" in headers
    assert "authorization: ********" in headers
    assert json.loads(body) == {"stream": "test-message", "api": "********"}
    assert "canary" not in shown.stdout + shown.stderr
    assert "Nothing was sent" in shown.stderr
    assert "login.example.com" not in shown.stdout


def test_a_request_that_cannot_be_made_is_told_with_its_part(folder: Path, cli: Cli) -> None:
    (folder / "gateway.yaml").write_text(CONFIG)
    refused = cli("sinks", "preview", "narrow", "--type", "recording.file.completed", code=1)
    assert (
        "narrow: refused: the request cannot be made of this event: url: line 1: a value in the path is absent"
        in refused.stderr
    )
