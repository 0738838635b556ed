"""`gateway sources doctor`: whether the vendor calls a source as the source expects it, and what to change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from gateway.cli import output
from gateway.cli.bulk_progress import agreed
from gateway.cli.command_options import local_option, names, pass_local
from gateway.cli.invocation import Invocation
from gateway.errors import DeliveryFailed, GatewayError
from gateway.text.escaping import visible, visible_json

if TYPE_CHECKING:
    from gateway.config.load import Loaded
    from gateway.plugin import Source
    from gateway.reconcile.callback_check import CallbackDifference


@click.command("doctor")
@click.argument("name", required=False, shell_complete=names("sources"))
@click.option("--fix", is_flag=True, help="Change it at the vendor, after asking, and look again.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array of what differs.")
@local_option
@pass_local
def doctor(invocation: Invocation, name: str | None, fix: bool, yes: bool, as_json: bool) -> None:
    """Compare how the vendor calls the source NAME back with how it is to: address, event types, signature, domain and app.

    It asks the API that the source's `reconcile:` names. The vendor does not tell its key: whether that is the right one, the
    first callback shows. Exit code 1: something differs.
    """
    loaded = invocation.load()
    from gateway.cli.commands.reconcile import source_asked

    name = source_asked(loaded, name)
    source = loaded.source(name)
    try:
        left = asyncio.run(_compare(loaded, source))
        if fix and left and _is_agreed(left, loaded, source, yes=yes, quiet=as_json):
            unmended = asyncio.run(_mend(loaded, source, left))
            _note_act(invocation, name, len(left))
            for text in unmended:
                output.remark(text)
            left = asyncio.run(_compare(loaded, source))
    except DeliveryFailed as error:
        raise GatewayError(error.detail) from None
    except ValueError as error:  # its options do not say how it is to be called
        raise GatewayError(f"sources.{name}: {error}") from None
    except (GatewayError, click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:  # a plugin's own code
        from gateway.config.validation import where_raised

        raise GatewayError(f"the source plugin {source.type} failed: {where_raised(error)}") from None
    _print(name, left, as_json=as_json)
    if left:
        raise click.exceptions.Exit(1)


def _url(loaded: Loaded, source: Source) -> tuple[str, bool]:
    """Where the vendor is to call, and whether that is the whole address, or only its path is known."""
    options = source.reconcile
    if options is not None and options.callback_url is not None:
        return options.callback_url, True
    return loaded.settings.server.callback_url(loaded.settings.sources[source.name].path), False


async def _compare(loaded: Loaded, source: Source) -> Sequence[CallbackDifference]:
    from gateway.egress.client import Http
    from gateway.plugin.own_code import own_code
    from gateway.reconcile.callback_check import differences
    from gateway.runtime.clock import Clock

    url, is_whole = _url(loaded, source)
    with own_code():
        expected = source.expected_configuration(url)
    http = Http(clock=Clock())
    await http.open()
    try:
        with own_code():
            return differences(expected, await source.read_configuration(http), whole_url=is_whole)
    finally:
        await http.close()


async def _mend(loaded: Loaded, source: Source, left: Sequence[CallbackDifference]) -> Sequence[str]:
    from gateway.egress.client import Http
    from gateway.plugin.own_code import own_code
    from gateway.runtime.clock import Clock

    http = Http(clock=Clock())
    await http.open()
    try:
        with own_code():
            answers = [await source.write_configuration(http, one.required) for one in left]
    finally:
        await http.close()
    return [f"{one.about}: {answer}" for one, answer in zip(left, answers, strict=True) if answer]


def _is_agreed(left: Sequence[CallbackDifference], loaded: Loaded, source: Source, *, yes: bool, quiet: bool) -> bool:
    if not _url(loaded, source)[1]:
        raise GatewayError(
            f"to change it, the whole address that the vendor reaches is needed: set `callback_url` under sources.{source.name}.reconcile"
        )
    if not quiet:
        _print(source.name, left, as_json=False)
    what = f"{len(left)} callback configuration{'' if len(left) == 1 else 's'} of the vendor will be changed."
    return agreed(what, len(left), yes=yes, dry_run=False, always=True)


def _note_act(invocation: Invocation, name: str, count: int) -> None:
    from gateway.errors import StoreError
    from gateway.store.admin.audit import Actor

    try:
        with invocation.admin() as admin:
            admin.note("sources doctor", name, actor=Actor.here(), result=f"{count} changed at the vendor")
    except StoreError as error:
        output.remark(f"it is changed; the audit log could not be written: {error}")


def _print(name: str, left: Sequence[CallbackDifference], *, as_json: bool) -> None:
    if as_json:
        click.echo(visible_json([_object(one) for one in left], indent=True))
        return
    for one in left:
        for text in one.texts:
            click.echo(visible(f"{one.about}: {text}"))
    if not left:
        click.echo(visible(f"{name}: the vendor calls as expected; its key is not told"))


def _object(one: CallbackDifference) -> Mapping[str, object]:
    return {"domain": one.required.domain, "app": one.required.app, "id": one.required.id, "differs": list(one.texts)}
