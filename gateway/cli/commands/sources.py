"""`gateway sources`: where callbacks come from, whether they come, and what became of those that left no event."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.cli.command_options import Group, config_option, names, pass_invocation
from gateway.cli.commands.sources_doctor import doctor
from gateway.cli.invocation import Invocation
from gateway.cli.table import available, styled
from gateway.runtime.clock import Clock
from gateway.text.escaping import visible, visible_json

if TYPE_CHECKING:
    from gateway.store.admin.shown_rows import KeyRow, SourceRow
    from gateway.store.records import Heard

PIPE_COLUMNS: Final = 80  # columns, where the output is no terminal
UNNAMED: Final = "without a type"


@click.group(cls=Group, short_help="Where callbacks come from: list, show, doctor.")
def command() -> None:
    """Where callbacks come from, and whether they come."""


command.add_command(doctor)


@command.command("list")
@output.listing_options
@config_option
@pass_invocation
def list_(invocation: Invocation, as_json: bool, limit: int, everything: bool) -> None:
    """Every source: its type, when it was last heard of, the URL that its vendor calls, and what left no event.

    `refused` counts by code what is kept (`gateway refused list`); `ignored` is the last callback of each of the
    vendor's types that was verified and is not about recordings.
    """
    ages = output.Ages(Clock().ms())
    rows, elsewhere = _source_lines(invocation)
    output.print_rows(
        rows,
        {},
        _object,
        what="sources",
        as_json=as_json,
        limit=limit,
        everything=everything,
        show=lambda shown: _print(shown, ages),
    )
    if elsewhere and not as_json and not everything:
        output.remark(f"{elsewhere} requests to paths that name no source: gateway refused list --source ''")


@command.command()
@click.argument("name", shell_complete=names("sources"))
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@config_option
@pass_invocation
def show(invocation: Invocation, name: str, as_json: bool) -> None:
    """The source NAME: what `list` says, with times and sizes, and the least trust that it takes."""
    invocation.source(name)
    (row,) = (row for row in _source_lines(invocation)[0] if row.name == name)
    configured = invocation.settings.sources[name]
    known_whole = getattr(configured, "options", configured) is not None  # not of a refused configuration
    trust = configured.min_trust.value if known_whole else None
    if as_json:
        click.echo(visible_json({**_object(row), "min_trust": trust}, indent=True))
        return
    times, ages = output.Times(invocation.settings.locale.timezone), output.Ages(Clock().ms())
    known = row.known
    output.facts(
        [
            ("name", name),
            ("type", row.type),
            ("callback URL", row.url),
            ("min_trust", trust),
            ("last seen", times(known.seen_at) or "never"),
            ("last refused", times(known.refused_at)),
            ("vendor's list", times(known.reconciled_at)),
            ("vendor's list fails", known.reconcile_error),
            *((f"refused {code}", count) for code, count in known.refused.items()),
            *((f"keys[{key.place}]", _told_of(key, times, lambda at: f"{ages(at)} ago")) for key in row.keys),
            *((f"ignored {one.vendor_type or UNNAMED}", f"{times(one.at)}, {one.size} bytes") for one in known.ignored),
        ]
    )
    if known.refused:
        output.remark(f"why each was refused: gateway refused list --source {name}")


@dataclass(frozen=True, slots=True)
class _SourceLine:
    """A source as configured, and what the store knows of it; without a type and URL where it is not configured any more."""

    name: str
    type: str | None
    url: str | None
    known: SourceRow
    keys: Sequence[KeyRow] = ()


def _source_lines(invocation: Invocation) -> tuple[Sequence[_SourceLine], int]:
    """The configured sources, then those that the store still knows; and how many requests named none."""
    from gateway.admin.source_keys import key_rows
    from gateway.store.admin.shown_rows import SourceRow

    settings, now = invocation.settings, Clock().ms()
    with invocation.admin() as admin:
        known = dict(admin.sources())
    nowhere = known.pop("", SourceRow(name=""))
    rows = [
        _SourceLine(
            name,
            one.type,
            settings.server.callback_url(one.path) if one.path else None,
            heard,
            key_rows(getattr(one, "options", None), heard, now),
        )
        for name, one in settings.sources.items()
        for heard in (known.pop(name, SourceRow(name=name)),)
    ]
    return [*rows, *(_SourceLine(name, None, None, one) for name, one in known.items())], sum(nowhere.refused.values())


def _print(rows: Sequence[_SourceLine], ages: output.Ages) -> None:
    """A few lines each, because a URL is told to somebody and must be whole."""
    width = min(available() or PIPE_COLUMNS, PIPE_COLUMNS)
    for row in rows:
        known = row.known
        seen = f"last seen {ages(known.seen_at)} ago" if known.seen_at is not None else "never seen"
        click.echo(styled(visible(f"{row.name}  {row.type or 'not configured'}  {seen}"), bold=True))
        if row.url is not None:
            click.echo(visible(f"  {row.url}"))
        refused = (f"{count} {code}" for code, count in known.refused.items())
        ignored = (f"{one.vendor_type or UNNAMED} {ages(one.at)} ago" for one in known.ignored)
        if known.reconciled_at is not None:
            click.echo(f"  vendor's list gone through {ages(known.reconciled_at)} ago")
        failing = (known.reconcile_error,) if known.reconcile_error else ()
        of_interest = len(row.keys) > 1 or any(key.name or key.valid_until for key in row.keys)
        keys = (
            f"{_called(key)} {_told_of(key, _day, lambda at: f'{ages(at)} ago')}" for key in row.keys if of_interest
        )
        told = (("keys", keys), ("refused", refused), ("ignored", ignored), ("vendor's list fails", failing))
        for word, parts in told:
            if text := visible(", ".join(parts)):
                for line in textwrap.wrap(f"{word}: {text}", width - 2, subsequent_indent="  "):
                    click.echo(f"  {line}")


def _called(key: KeyRow) -> str:
    return key.name or f"keys[{key.place}]"


def _day(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at / 1000, UTC).date().isoformat()


def _told_of(key: KeyRow, moment: Callable[[int | None], str | None], ago: Callable[[int], str]) -> str:
    """What there is to know of a key, in words."""
    words = [] if key.name is None or moment is _day else [f"({key.name})"]
    if key.time == "begins":
        words.append(f"from {moment(key.valid_from)},")
    if key.valid_until is not None:
        words.append(f"{'ended' if key.time == 'ended' else 'until'} {moment(key.valid_until)},")
    words.append("never used" if key.used_at is None else f"last used {ago(key.used_at)}")
    return " ".join(words) + (": may go" if key.may_go else "")


def _object(row: _SourceLine) -> Mapping[str, object]:
    return {
        "name": row.name,
        "type": row.type,
        "callback_url": row.url,
        "last_seen_at": stamp(row.known.seen_at),
        "refused": dict(row.known.refused),
        "last_refused_at": stamp(row.known.refused_at),
        "ignored": [_ignored(one) for one in row.known.ignored],
        "reconciled_at": stamp(row.known.reconciled_at),
        "reconcile_error": row.known.reconcile_error,
        "keys": [
            {
                "place": key.place,
                "name": key.name,
                "time": key.time,
                "valid_from": stamp(key.valid_from),
                "valid_until": stamp(key.valid_until),
                "last_used_at": stamp(key.used_at),
                "may_go": key.may_go,
            }
            for key in row.keys
        ],
    }


def _ignored(one: Heard) -> Mapping[str, object]:
    return {"type": one.vendor_type or None, "last_seen_at": stamp(one.at), "size_bytes": one.size}
