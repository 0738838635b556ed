"""`gateway send`: plays the vendor, to try a configuration without one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import screen
from gateway.cli.site import Site, config_option, names, near, pass_site
from gateway.visible import to_json, visible

if TYPE_CHECKING:
    from gateway.cli.posting import Poster, Reply
    from gateway.plugin import Played, Scene, Source


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer that is right for what is played."""

    status: int
    word: str  # `accepted`, `duplicate`, or nothing: any problem code

    def met_by(self, reply: Reply) -> bool:
        """A source may answer in its vendor's own words, so without `status` in the body the HTTP status decides."""
        return reply.status == self.status and (not self.word or not reply.events or reply.word == self.word)


ACCEPTED = Expected(200, "accepted")
DUPLICATE = Expected(200, "duplicate")
REFUSED = Expected(401, "")


@click.command(short_help="Play the vendor: sign and post real callbacks.")
@click.option(
    "--source",
    metavar="NAME",
    shell_complete=names("sources"),
    help="Which configured source. Not needed where there is one.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="The vendor's type or ours, such as RECORD_FILE_COMPLETE or recording.failed. Repeatable. Default: all in turn.",
)
@click.option(
    "--url",
    metavar="URL",
    help="Where to. Without a path: /hooks/ and the source's. Default: this configuration's listener.",
)
@click.option(
    "--sign-type", "scheme", metavar="NAME", help="Which signature, in the source's words. Default: its usual one."
)
@click.option("--tampered", is_flag=True, help="Changed after signing; 401 is the right answer.")
@click.option("--expired", is_flag=True, help="Signed for a time that is over; 401 is the right answer.")
@click.option("--duplicate", is_flag=True, help="Each one twice; the second answer must be `duplicate`.")
@click.option(
    "--count", type=click.IntRange(min=1), metavar="N", default=1, show_default=True, help="So many of each type."
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="Replaces a field of the callback; VALUE is JSON, or else text. Repeatable.",
)
@click.option("--print", "printed", is_flag=True, help="Print the callbacks, one body a line, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each answer, one a line.")
@config_option
@pass_site
def command(
    site: Site,
    source: str | None,
    types: tuple[str, ...],
    url: str | None,
    scheme: str | None,
    tampered: bool,
    expired: bool,
    duplicate: bool,
    count: int,
    fields: tuple[str, ...],
    printed: bool,
    as_json: bool,
) -> None:
    """Play the vendor: make callbacks as it would, sign them with the source's first key, post them.

    The exit code is 0 when every answer is the one that was to be expected.
    """
    if duplicate and (tampered or expired):
        raise click.UsageError("--duplicate goes with neither --tampered nor --expired: those are never stored")
    path, player = _source(site, source)
    chosen = _scenes(player, types)
    scene = _blank(scheme=scheme, tampered=tampered, expired=expired, fields=dict(_field(text) for text in fields))
    plays = _plays(player, chosen, scene, count)
    if printed:
        for _, played in plays:
            screen.note("\n".join(f"{key}: {value}" for key, value in played.headers.items()))
            click.echo(played.body)
        return

    from gateway.cli.posting import Poster, complete, listener

    target = complete(url, path) if url else listener(site.load().settings.server, path)
    expected = [REFUSED] if tampered or expired else [ACCEPTED, DUPLICATE] if duplicate else [ACCEPTED]
    total = len(chosen) * count
    with Poster(target) as poster, screen.progress(total, "sending") as bar:
        quiet = not bar.hidden and not as_json
        wrong = 0
        for vendor_type, played in plays:
            wrong += sum(_post(poster, vendor_type, played, one, as_json, quiet) for one in expected)
            bar.update(1)
    if quiet:
        screen.note(f"{total} sent to {target}, {total - wrong} answered as expected")
    if wrong:
        raise click.ClickException(
            f"{wrong} of {total * len(expected)} answers from {target} were not the expected ones"
        )


def _source(site: Site, name: str | None) -> tuple[str, Source]:
    loaded = site.load()
    configured = loaded.settings.sources
    if not configured:
        raise click.ClickException("no source is configured")
    if name is None:
        if len(configured) != 1:
            raise click.UsageError(f"--source is needed: {len(configured)} are configured: {', '.join(configured)}")
        name = next(iter(configured))
    settings = configured[site.source(name)]
    return settings.path, loaded.registry.source(settings.type)(name, settings.options)


def _blank(**said: Any) -> Scene:
    from gateway.clock import Clock
    from gateway.plugin import Scene

    # begins anywhere, because a second `send` must not repeat the events of the first
    return Scene(type="", number=secrets.randbelow(1_000_000_000), now=Clock().now(), **said)


def _scenes(source: Source, types: Sequence[str]) -> Sequence[str]:
    """The vendor types that were asked for. Raises UsageError with a near miss."""
    if not source.scenes:
        raise click.ClickException(f"the source type {source.type} cannot be played")
    if not types:
        return source.scenes
    ours: dict[str, list[str]] | None = None
    chosen: list[str] = []
    for wanted in types:
        same = [scene for scene in source.scenes if scene.lower() == wanted.lower()]
        if not same:
            ours = _by_event_type(source) if ours is None else ours
            same = ours.get(wanted.lower(), [])
        if not same:
            known = [*source.scenes, *(ours or {})]
            raise click.UsageError(f"--type {wanted}: {source.type} cannot play that{near(wanted, known)}")
        chosen += same
    return list(dict.fromkeys(chosen))


def _by_event_type(source: Source) -> dict[str, list[str]]:
    """Our event types and the vendor types that become them, found by playing each once."""
    found: dict[str, list[str]] = {}
    for scene in source.scenes:
        played = source.play(replace(_blank(), type=scene))
        for event in _events(source, played):
            found.setdefault(event.type, []).append(scene)
    return found


def _events(source: Source, played: Played) -> Sequence[Any]:
    from starlette.datastructures import Headers

    from gateway.clock import Clock
    from gateway.model import Trust, Verified
    from gateway.plugin import Callback

    callback = Callback(
        source=source.name,
        method="POST",
        path="/",
        headers=Headers(dict(played.headers)),
        body=played.body,
        peer=None,
        received_at=Clock().now(),
    )
    return source.normalise(callback, Verified(trust=Trust.NONE, scheme="none"))


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--field {text}: expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _plays(source: Source, types: Sequence[str], scene: Scene, count: int) -> Iterator[tuple[str, Played]]:
    from gateway.clock import Clock

    for number in range(scene.number, scene.number + count):
        now = Clock().now()
        for vendor_type in types:  # with one number and time, because together they tell of one recording
            try:
                yield vendor_type, source.play(replace(scene, type=vendor_type, number=number, now=now))
            except ValueError as error:
                raise click.UsageError(str(error)) from None


def _post(poster: Poster, vendor_type: str, played: Played, expected: Expected, as_json: bool, quiet: bool) -> int:
    """Post one, tell of it, and say whether the answer was wrong: 1 or 0."""
    reply = poster.post(played.body, played.headers)
    well = expected.met_by(reply)
    if as_json:
        click.echo(to_json(_object(vendor_type, reply, well)))
    elif not quiet or not well:
        words = [f"{vendor_type:<24}", str(reply.status), reply.word, *reply.events]
        if not well:
            words.append(f"expected {expected.status} {expected.word}".rstrip())
        if reply.detail:
            words.append(f"({reply.detail})")
        click.echo(visible(" ".join(word for word in words if word)))
    return 0 if well else 1


def _object(vendor_type: str, reply: Reply, well: bool) -> Mapping[str, Any]:
    return {
        "type": vendor_type,
        "status": reply.status,
        "answer": reply.word,
        "events": list(reply.events),
        "detail": reply.detail or None,
        "expected": well,
    }
