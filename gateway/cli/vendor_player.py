"""The vendor that `gateway send` plays: which source, which types, one callback after another."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs

import click

from gateway.cli.callbacks import unverified
from gateway.cli.invocation import Invocation
from gateway.runtime.clock import Clock
from gateway.text.suggest import nearest, suggestion

if TYPE_CHECKING:
    from gateway.plugin import Played, Scene, Source


def player(invocation: Invocation, name: str | None) -> tuple[str, Source]:
    """The path and the source of this name, or of the only one there is. Raises UsageError."""
    loaded = invocation.load()
    configured = loaded.settings.sources
    if not configured:
        raise click.ClickException("no source is configured")
    if name is None:
        if len(configured) != 1:
            raise click.UsageError(f"--source is needed: {len(configured)} are configured: {', '.join(configured)}")
        name = next(iter(configured))
    settings = configured[invocation.source(name)]
    source = loaded.source(name)
    if source.key_times is not None:  # sign as the vendor would today
        source = cast("Source", source.key_times.source_at(Clock().now()) or source)
    return settings.path, source


def a_scene(**fields: Any) -> Scene:
    """A scene of no type yet, different from every other."""
    from gateway.plugin import Scene

    # begins anywhere, because a second `send` must not repeat the events of the first
    return Scene(type="", number=secrets.randbelow(1_000_000_000), now=Clock().now(), **fields)


def scenes(source: Source, types: Sequence[str]) -> Sequence[str]:
    """The vendor types that were asked for. Raises UsageError with a near miss."""
    if not source.scenes:
        raise click.ClickException(f"the source type {source.type} cannot be played")
    if not types:
        return source.scenes
    ours: dict[str, list[str]] | None = None
    chosen: list[str] = []
    for scene_type in types:
        same = [scene for scene in source.scenes if scene.lower() == scene_type.lower()]
        if not same:
            ours = _by_event_type(source) if ours is None else ours
            same = ours.get(scene_type.lower(), [])
        if not same:
            known = [*source.scenes, *(ours or {})]
            raise click.UsageError(
                f"--type {scene_type}: {source.type} cannot play that{suggestion(scene_type, known)}"
            )
        chosen += same
    return list(dict.fromkeys(chosen))


def _by_event_type(source: Source) -> dict[str, list[str]]:
    """Our event types and the vendor types that become them, found by playing each once."""
    from gateway.plugin import Callback

    scenes_by_type: dict[str, list[str]] = {}
    for scene in source.scenes:
        played = _played(source, replace(a_scene(), type=scene))
        callback = Callback.of(source.name, played.body, headers=played.headers.items(), received_at=Clock().now())
        for event in unverified(source, callback):
            scenes_by_type.setdefault(event.type, []).append(scene)
    return scenes_by_type


def field(text: str) -> tuple[str, object]:
    """`NAME=VALUE`; the value is JSON, or else text. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--field {text}: expected NAME=VALUE")
    try:
        meant: object = json.loads(value)
        json.dumps(meant, allow_nan=False)
    except ValueError:  # of NaN and 1e400 too, which Python reads and no JSON can say
        meant = value
    try:
        json.dumps([name, meant], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise click.UsageError(f"--field {name}: what is to be sent is no UTF-8") from None
    return name, meant


def added(source: Source, types: Sequence[str], scene: Scene) -> Sequence[str]:
    """A sentence for each of the scene's fields that no callback of this vendor has: it is sent all the same, beside the others."""
    if not scene.fields:
        return ()
    known: set[str] = set()
    for vendor_type in source.scenes:  # of all, because a person may try a field of another type
        with suppress(click.ClickException):
            known |= _names(_played(source, replace(scene, type=vendor_type, fields={})))
    sent = {name for vendor_type in types for name in _names(_played(source, replace(scene, type=vendor_type)))}
    return [
        f"--field {name}: a callback of {source.type} as it is played has no such field; it is added"
        + (f". Did you mean {near!r}?" if (near := nearest(name, sorted(known))) else "")
        for name in scene.fields
        if name in sent - known
    ]


def _names(played: Played) -> set[str]:
    """The fields at the top of a callback, of JSON or of a form."""
    try:
        body: object = json.loads(played.body)
    except ValueError:
        return set(parse_qs(played.body.decode("latin-1"), keep_blank_values=True))
    return set(body) if isinstance(body, dict) else set()


def plays(source: Source, types: Sequence[str], scene: Scene, count: int) -> Iterator[tuple[str, Played]]:
    """`count` of each type, signed when they are asked for, with the type of each. Raises UsageError."""
    for number in range(scene.number, scene.number + count):
        now = Clock().now()
        for vendor_type in types:  # with one number and time, because together they tell of one recording
            yield vendor_type, _played(source, replace(scene, type=vendor_type, number=number, now=now))


def _played(source: Source, scene: Scene) -> Played:
    """Raises UsageError for what the source cannot play, and ClickException naming a plugin that has a bug."""

    from gateway.plugin import Played
    from gateway.plugin.own_code import own_code

    whose = f"the source type {source.type} from {source.origin}"
    try:
        with own_code():
            played: object = source.play(scene)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except Exception as error:  # a plugin's own code
        raise click.ClickException(f"{whose} failed in play: {type(error).__name__}: {error}") from error
    if not isinstance(played, Played):
        raise click.ClickException(f"{whose}: play gave a {type(played).__name__}, not a gateway.Played")
    if not all(_is_header(name, value) for name, value in played.headers.items()):
        raise click.ClickException(f"{whose}: play gave a header field that cannot be sent")
    return played


def _is_header(*texts: object) -> bool:
    return all(isinstance(text, str) and text.isprintable() and text.isascii() for text in texts)
