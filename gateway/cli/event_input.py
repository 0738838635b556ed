"""The event that a person describes on the command line: in a file, as a vendor's body, or field by field."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gateway.cli.invocation import Invocation
from gateway.cli.output import remark
from gateway.model import ALARM_SOURCE
from gateway.text.file_trouble import file_trouble
from gateway.text.suggest import suggestion

if TYPE_CHECKING:
    from gateway.model import Event

FILE_BYTES_MAX: Final = 16 * 2**20  # bytes of an event or a callback in a file
_F = TypeVar("_F", bound=Callable[..., object])


def file_options(command: _F) -> _F:
    """`--event` and `--callback`, which take a file."""
    event = click.option(
        "--event",
        "event_file",
        metavar="FILE",
        help="CloudEvents JSON or the flat form of a route test; - is standard input.",
    )
    callback = click.option(
        "--callback", "callback_file", metavar="FILE", help="A vendor's body; needs --source. It is not verified."
    )
    return event(callback(command))


def events(
    invocation: Invocation,
    event_file: str | None,
    callback_file: str | None,
    source: str | None,
    filled: Mapping[str, str],
) -> Sequence[Event]:
    """The events that were described in one of three ways. Raises UsageError."""
    from gateway.events.samples import event_of

    invocation.must_be_well()
    if (event_file is not None) + (callback_file is not None) + bool(filled) != 1:
        raise click.UsageError(
            "describe one event: --event FILE, --callback FILE --source NAME, or --type and its fields"
        )
    if callback_file is not None:
        if source is None:
            raise click.UsageError("--callback needs --source: which configured source reads it")
        return _from_callback(invocation, invocation.source(source), _read_file(callback_file))
    try:
        if event_file is None:
            written: Any = {name.replace("-", "_"): value for name, value in filled.items()}
        else:
            written = json.loads(_read_file(event_file))
        if source is not None and isinstance(written, dict):
            written = {"source": source, **written}
        if source is not None and source not in invocation.settings.sources and source != ALARM_SOURCE:
            sources = list(invocation.settings.sources)
            remark(f"no source {source!r} is configured, so no such event comes{suggestion(source, sources)}")
        return [event_of(written, **_usual(invocation, written))]
    except UnicodeDecodeError:
        raise click.UsageError(f"{event_file}: not JSON: it is no text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise click.UsageError(f"{event_file}: not JSON: {error}") from None
    except RecursionError:
        raise click.UsageError(f"{event_file}: it is nested deeper than can be read") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _usual(invocation: Invocation, written: object) -> dict[str, str]:
    """What an event without `source` and `provider` means: the source it names, or the only one there is."""
    sources = invocation.settings.sources
    named = written.get("source") if isinstance(written, dict) else None
    name = next(iter(sources)) if named is None and len(sources) == 1 else named
    return {"source": name, "provider": sources[name].type} if isinstance(name, str) and name in sources else {}


def _from_callback(invocation: Invocation, name: str, body: bytes) -> Sequence[Event]:
    from gateway.cli.callbacks import unverified
    from gateway.runtime.clock import Clock

    loaded = invocation.load(placeholders=True)
    events = unverified(loaded.source(name), loaded.callback(name, body, received_at=Clock().now()))
    return [loaded.redact(event) for event in events]  # as they come to routes and sinks


def _read_file(file: str) -> bytes:
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {file_trouble(Path(file), error)}") from None
    if len(content) > FILE_BYTES_MAX:
        raise click.UsageError(f"{file}: more than {FILE_BYTES_MAX // 2**20} MiB, which is no event")
    return content
