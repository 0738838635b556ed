"""Prints what a sink would send: the request as it would go out, or the sink's own words, without anything secret."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from gateway.cli import output, sink_trial
from gateway.fields import secrets_of
from gateway.text.escaping import visible, visible_json
from gateway.text.mask import is_secret, masked_tree
from gateway.text.redaction import MASK, redact

if TYPE_CHECKING:
    import httpx

    from gateway.config.load import Loaded
    from gateway.model import Event


def show(loaded: Loaded, name: str, event: Event, owner: str | None = None) -> None:
    """Print it, and to whom it would go where the sink has a directory. Raises ClickException where nothing would be sent."""
    owner = sink_trial.owner_of(loaded, name, event, owner)
    looked = asyncio.run(sink_trial.preview_of(loaded, name, event, owner))
    if owner is not None and looked.failure is None:
        click.echo(f"to {visible(owner)}\n")
    if looked.failure is not None:
        from gateway.dispatch.outcome import describe

        tried = f" (it tried {looked.reached[0]}, which a preview keeps it from)" if looked.reached else ""
        outcome = sink_trial.outcome_of(looked.failure)
        raise click.ClickException(f"{name}: {outcome}: {visible(describe(looked.failure))}{tried}")
    if looked.text is not None:
        click.echo(_lines(redact(looked.text)))
        return
    if not looked.requests:
        raise click.ClickException(f"{name}: it makes no HTTP request and has no preview of its own (Sink.preview)")
    hidden = {secret.reveal() for _, secret in secrets_of(sink_trial.options_of(loaded, name, owner))}
    for number, request in enumerate(looked.requests):
        click.echo(f"{chr(10) if number else ''}{_request(request, hidden)}")
    output.remark("Nothing was sent.")


def _request(request: httpx.Request, hidden: set[str]) -> str:
    head = [f"{request.method} {redact(str(request.url))}"]
    for name, value in request.headers.multi_items():
        shown = MASK if is_secret(name) or value in hidden else redact(value)
        head.append(f"{name}: {shown}")
    return "\n".join([*map(visible, head), "", _body(request.content)]).rstrip("\n")


def _body(content: bytes) -> str:
    text = content.decode("utf-8", "backslashreplace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return _lines(redact(text))
    return redact(visible_json(masked_tree(said, _is_credential, lambda value: value), indent=True))


def _is_credential(name: str, value: object) -> bool:
    """By its name, such as a signature in a body. `storage.key` is a path, `verified.key` a position."""
    return is_secret(name) and name != "key" and isinstance(value, str | int) and value != ""


def _lines(text: str) -> str:
    return "\n".join(map(visible, text.splitlines()))
