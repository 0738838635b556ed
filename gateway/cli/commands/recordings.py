"""`gateway recordings`: what the events of a stream add up to, its files, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli import output
from gateway.cli.command_options import Group, config_option, names, pass_invocation
from gateway.cli.invocation import Invocation
from gateway.states import RECORDING_STATES
from gateway.text.escaping import visible_json

if TYPE_CHECKING:
    from gateway.admin.recording_reads import RecordingItem
    from gateway.cli.invocation import StoreService

FILES_SHOWN_MAX: Final = 20  # as text; --json has more
_LINKS: Final = ("download_url", "play_url")


@click.group(cls=Group, short_help="What events add up to: list, show.")
def command() -> None:
    """Recordings: what the events of one stream add up to, from its start to its end, and what is missing."""


@command.command("list")
@click.option("--source", metavar="NAME", shell_complete=names("sources"), help="Only of this source.")
@click.option("--stream", metavar="GLOB", help="Only of these streams.")
@click.option("--domain", metavar="GLOB", help="Only of these domains.")
@click.option("--app", metavar="GLOB", help="Only of these apps.")
@click.option("--state", type=click.Choice(RECORDING_STATES), help="Only in this state.")
@click.option("--missing", is_flag=True, help="Only those of which something did not come.")
@click.option("--since", metavar="WHEN", help="Only begun since: a time (2026-01-31) or how long ago (90m, 2d).")
@click.option("--until", metavar="WHEN", help="Only begun before: a time or how long ago.")
@output.listing_options
@config_option
@pass_invocation
def list_(
    invocation: Invocation, missing: bool, as_json: bool, limit: int, everything: bool, **asked: str | None
) -> None:
    """Recordings, newest first: when they began, how long they were, how many files came, what did not."""
    filters: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
    filters |= {name: [filters[name]] for name in ("source", "stream", "domain", "app") if name in filters}
    filters |= {"missing": True} if missing else {}
    times = output.Times(invocation.settings.locale.timezone)
    with invocation.service() as service:
        output.listing(
            lambda limit, before: _page(service, filters, limit, before),
            lambda item: item.id,
            {
                "id": lambda item: str(item.id),
                "began": lambda item: times(_ms(item.first_at)),
                "source": lambda item: item.source,
                "stream": lambda item: item.stream,
                "state": lambda item: item.state,
                "files": lambda item: str(len(item.files)),
                "missing": lambda item: ", ".join(item.missing),
            },
            lambda item: item.model_dump(mode="json"),
            what="recordings",
            as_json=as_json,
            limit=limit,
            everything=everything,
        )


@command.command()
@click.argument("id", type=int)
@click.option("--json", "as_json", is_flag=True, help="A JSON object, as GET /recordings/{id} of the admin API.")
@config_option
@pass_invocation
def show(invocation: Invocation, id: int, as_json: bool) -> None:
    """One recording: its times, its files with their links shortened, its events, and what is missing."""
    with invocation.service() as service:
        item = service.recording(id)
    if as_json:
        click.echo(visible_json(item.model_dump(mode="json"), indent=True))
        return
    times = output.Times(invocation.settings.locale.timezone)
    output.facts(
        [
            ("recording", item.id),
            ("source", item.source),
            ("domain", item.domain),
            ("app", item.app),
            ("stream", item.stream),
            ("state", item.state),
            ("first event", times(_ms(item.first_at))),
            ("started", times(_ms(item.started_at)) if item.started_at else None),
            ("ended", times(_ms(item.ended_at)) if item.ended_at else None),
            ("missing", ", ".join(item.missing) or None),
            ("files", len(item.files)),
            ("events", item.events_total),
        ]
    )
    for file in item.files[-FILES_SHOWN_MAX:]:
        click.echo()
        output.facts(_file_text(file))
    for ref in item.events[-FILES_SHOWN_MAX:]:
        output.remark(f"gateway events show {ref}")


def _file_text(file: Mapping[str, object]) -> list[tuple[str, object]]:
    from gateway.text.redaction import redact

    pairs: list[tuple[str, object]] = [
        (name, file.get(name)) for name in ("format", "size_bytes", "duration_seconds", "started_at", "ended_at")
    ]
    return [*pairs, *((name, redact(str(file[name]))) for name in _LINKS if file.get(name))]


def _page(service: StoreService, filters: dict[str, Any], limit: int, before: int | None) -> Sequence[RecordingItem]:
    """A whole page, though a search may come back short where its time was up."""
    from gateway.admin.cursor import cursor
    from gateway.admin.recording_reads import RecordingQuery

    at = None if before is None else cursor("recordings", before)
    items: list[RecordingItem] = []
    while len(items) < limit:
        answer = service.recordings(RecordingQuery(**filters, limit=min(limit - len(items), 199), cursor=at))
        items += answer.items
        at = answer.next
        if at is None:
            break
    return items


def _ms(text: str) -> int:
    from gateway.admin.timestamps import milliseconds

    return milliseconds(text)
