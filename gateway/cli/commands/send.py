"""`gateway send`: plays the vendor, to try a configuration without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from gateway.cli import output, vendor_player
from gateway.cli.command_options import local_option, names, pass_local
from gateway.cli.invocation import Invocation
from gateway.text.escaping import visible, visible_json

if TYPE_CHECKING:
    from gateway.cli.http_poster import PostAnswer, Poster
    from gateway.plugin import Played


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer that is right for what is played."""

    status: int
    word: str  # `accepted`, `duplicate`, or nothing: any problem code

    def met_by(self, reply: PostAnswer) -> bool:
        """A source may answer in its vendor's own words: then any 2xx is a yes, and without `events` no word is awaited."""
        met = reply.status == self.status or (self.status == 200 and reply.status // 100 == 2)
        return met and (not self.word or not reply.events or reply.word == self.word)


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
@local_option
@pass_local
def command(
    invocation: Invocation,
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
    path, player = vendor_player.player(invocation, source)
    chosen = vendor_player.scenes(player, types)
    scene = vendor_player.a_scene(
        scheme=scheme, tampered=tampered, expired=expired, fields=dict(vendor_player.field(text) for text in fields)
    )
    for sentence in vendor_player.added(player, chosen, scene):
        output.remark(sentence)
    plays = vendor_player.plays(player, chosen, scene, count)
    if printed:
        for _, played in plays:
            output.remark("\n".join(f"{key}: {value}" for key, value in played.headers.items()))
            click.echo(played.body)
        return

    from gateway.cli.http_poster import Poster, complete, listener

    target = complete(url, path) if url else listener(invocation.load().settings.server, path)
    expected = [REFUSED] if tampered or expired else [ACCEPTED, DUPLICATE] if duplicate else [ACCEPTED]
    total = len(chosen) * count
    with Poster(target) as poster, output.progress(total, "sending") as bar:
        quiet = not bar.hidden and not as_json
        wrong = 0
        for vendor_type, played in plays:
            wrong += sum(_post(poster, vendor_type, played, one, as_json, quiet) for one in expected)
            bar.update(1)
    if quiet:
        output.remark(f"{total} sent to {target}, {total - wrong} answered as expected")
    if wrong:
        raise click.ClickException(
            f"{wrong} of {total * len(expected)} answers from {target} were not the expected ones"
        )


def _post(poster: Poster, vendor_type: str, played: Played, expected: Expected, as_json: bool, quiet: bool) -> int:
    """Post one, tell of it, and say whether the answer was wrong: 1 or 0."""
    reply = poster.post(played.body, played.headers)
    well = expected.met_by(reply)
    if as_json:
        click.echo(visible_json(_object(vendor_type, reply, well)))
    elif not quiet or not well:
        words = [f"{vendor_type:<24}", str(reply.status), reply.word, *reply.events]
        if not well:
            words.append(f"expected {expected.status} {expected.word}".rstrip())
        if reply.detail:
            words.append(f"({reply.detail})")
        if well and expected is REFUSED:
            words.append("as expected")  # because a refusal looks like a fault
        click.echo(visible(" ".join(word for word in words if word)))
    return 0 if well else 1


def _object(vendor_type: str, reply: PostAnswer, well: bool) -> Mapping[str, object]:
    return {
        "type": vendor_type,
        "status": reply.status,
        "answer": reply.word,
        "events": list(reply.events),
        "detail": reply.detail or None,
        "expected": well,
    }
