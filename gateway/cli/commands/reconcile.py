"""`gateway reconcile`: asks a vendor which recordings there are, and has those whose callback never came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.cli.command_options import config_option, names, pass_invocation
from gateway.cli.durations import DurationType
from gateway.cli.invocation import Invocation
from gateway.cli.table import table
from gateway.text.escaping import visible, visible_json

if TYPE_CHECKING:
    from gateway.cli.vendor_list import AskedList
    from gateway.config.load import Loaded
    from gateway.model import Event


@click.command(short_help="Ask a vendor for the recordings whose callback never came.")
@click.option(
    "--source",
    metavar="NAME",
    shell_complete=names("sources"),
    help="Whose vendor. Default: the only one that has `reconcile:`.",
)
@click.option(
    "--since",
    type=DurationType(timedelta(hours=1), timedelta(days=30)),
    metavar="DURATION",
    help="How far back, such as 2d. Default: `since` of its `reconcile:`.",
)
@click.option("--dry-run", is_flag=True, help="Only print what is missing; store no event. Exit code 1: something is.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@config_option
@pass_invocation
def command(invocation: Invocation, source: str | None, since: timedelta | None, dry_run: bool, as_json: bool) -> None:
    """Ask the vendor's own list, and store what is in it and never came, as its callback would have been.

    A recording that came, under whatever id, is left alone. What is stored is routed by today's routes and delivered by the
    running gateway. With --url the gateway there is asked to do it now; it goes on by itself.
    """
    if invocation.remote is not None:
        _ask_there(invocation, source, since, dry_run)
        return
    loaded = invocation.load()
    name = source_asked(loaded, source)
    from gateway.cli.vendor_list import ask_vendor

    with invocation.admin() as admin:
        asked = ask_vendor(loaded, admin, name, since, dry_run=dry_run)
        if not dry_run:
            from gateway.store.admin.audit import Actor

            admin.note("sources reconcile", name, actor=Actor.here(), result=_summary(asked, dry_run=False))
    if as_json:
        click.echo(visible_json(_object(name, asked), indent=True))
    else:
        _print(asked, output.Times(loaded.settings.locale.timezone), dry_run=dry_run)
    if dry_run and asked.events:
        raise click.exceptions.Exit(1)


def source_asked(loaded: Loaded, name: str | None) -> str:
    """The source whose vendor is asked: this one, else the only one. Raises UsageError."""
    from gateway.reconcile.runner import asked_sources

    known = asked_sources(loaded)
    if name is None and len(known) == 1:
        return next(iter(known))
    if name is not None and name in known:
        return name
    there = ", ".join(known) or "none has"
    if name is None:
        raise click.UsageError(f"name one; of the sources that have `reconcile:` there are: {there}")
    if name not in loaded.settings.sources:
        from gateway.text.suggest import suggestion

        raise click.UsageError(f"no source {name!r} is configured{suggestion(name, loaded.settings.sources)}")
    raise click.UsageError(
        f"the source {name} has no `reconcile:` in {loaded.path}, which says whose list is asked; docs/sources.md shows one"
    )


def _ask_there(invocation: Invocation, source: str | None, since: timedelta | None, dry_run: bool) -> None:
    from gateway.cli.remote_client import segment
    from gateway.fields import format_duration

    if dry_run:
        raise click.UsageError("--dry-run works beside the configuration; there it would have to store nothing for you")
    if source is None:
        raise click.UsageError("name the source with --source")
    assert invocation.remote is not None
    body = {} if since is None else {"since": format_duration(since)}
    answer = invocation.remote.post(f"/sources/{segment(source)}/reconcile", body)
    click.echo(visible(f"{answer['target']}: {answer['text']}"))


def _summary(asked: AskedList, *, dry_run: bool) -> str:
    run = asked.run
    count = len(asked.events)
    return (
        f"{run.looked} listed, {run.looked - count} known, {count} missing{' before' if count and not dry_run else ''}"
    )


def _print(asked: AskedList, times: output.Times, *, dry_run: bool) -> None:
    if asked.events:
        table(
            ["result", "subject", "format", "ended", "file"],
            [
                [result, event.subject, event.format or "", times(_ms(event)), _place(event)]
                for result, event in asked.events
            ],
        )
    click.echo(visible(_summary(asked, dry_run=dry_run)))
    if asked.asked_since > asked.wanted_since:
        output.remark(
            f"asked from {times(asked.asked_since)} on: what ended before may have come and been deleted here (store.keep)"
        )
    for problem in asked.problems:
        output.remark(f"not understood: {problem}")


def _object(name: str, asked: AskedList) -> Mapping[str, object]:
    return {
        "source": name,
        "since": stamp(asked.run.since),
        "until": stamp(asked.run.until),
        "listed": asked.run.looked,
        "known": asked.run.looked - len(asked.events),
        "recordings": [_recording(result, event) for result, event in asked.events],
        "problems": list(asked.problems),
    }


def _recording(result: str, event: Event) -> Mapping[str, object]:
    return {
        "result": result,
        "id": event.id,
        "domain": event.domain,
        "app": event.app,
        "stream": event.stream,
        "format": event.format,
        "ended_at": stamp(_ms(event)),
        "file": _place(event),
    }


def _ms(event: Event) -> int | None:
    return None if event.time is None else round(event.time.timestamp() * 1000)


def _place(event: Event) -> str:
    """Where the file lies, without what signs a link."""
    if not event.files:  # a vendor's list of another kind may have such
        return ""
    file = event.files[0]
    if file.storage is not None and file.storage.bucket and file.storage.key:
        return f"{file.storage.bucket}/{file.storage.key}"
    url = file.download_url or file.play_url or ""
    return url.partition("?")[0] if _is_url(url) else ""


def _is_url(url: str) -> bool:
    try:
        return bool(urlsplit(url).scheme)
    except ValueError:
        return False
