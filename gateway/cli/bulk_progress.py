"""A bulk act as its person sees it: how many, asked for where it matters, told as it goes, stopped by Ctrl-C, summed up."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import click

from gateway.cli import output
from gateway.text.escaping import visible

if TYPE_CHECKING:
    from gateway.store.admin.bulk import ItemResult, Total, Watcher

ANSWERS_SHOWN_MAX: Final = 20  # answers told one by one; of more there is a bar and a sum
_F = TypeVar("_F", bound=Callable[..., object])


def bulk_options(command: _F) -> _F:
    """The options of every act that can be done to many."""
    command = click.option("-n", "--dry-run", is_flag=True, help="Only say how many it would be done to.")(command)
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)


def agreed(question: str, count: int, *, yes: bool, dry_run: bool, always: bool) -> bool:
    """Whether to go on: says how many, and asks. Aborts where the answer is no.

    `always`: it takes something away, so a script has to say --yes; else only a person at a terminal is asked.
    """
    if dry_run:
        click.echo(f"{question} (--dry-run: nothing was done)")
        return False
    if count == 0:
        return False
    if yes:
        return True
    if always or sys.stdin.isatty():
        click.confirm(visible(f"{question} Go on?"), abort=True, err=True)
    else:
        output.remark(question)
    return True


@contextmanager
def watched(count: int, label: str) -> Iterator[Watcher]:
    """What a bulk act reports to: a line each, or a bar where they are many. Ctrl-C inside stops after what is under way."""
    from gateway.store.admin.bulk import Watcher

    class Shown(Watcher):
        stop = False

        def committed(self, answers: Sequence[ItemResult]) -> None:
            for answer in answers:
                if not answer.well:
                    output.remark(f"error: {answer.item}: {answer.text}")
                elif count <= ANSWERS_SHOWN_MAX:
                    click.echo(visible(f"{answer.item}: {answer.text}"))
            bar.update(len(answers))

        def stopping(self) -> bool:
            return self.stop

    shown = Shown()

    def interrupt(*_: object) -> None:
        if shown.stop:
            raise KeyboardInterrupt  # somebody insists: the transaction under way is rolled back
        shown.stop = True
        output.remark("stopping after what is under way; once more to stop at once")

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with output.progress(count, label) as bar:
            yield shown
    finally:
        signal.signal(signal.SIGINT, before)


def finish(total: Total, summary: str | None = None) -> None:
    """Say what became of many. Exits 1 where it was stopped, or where it could not be done to one."""
    if total.stopped:
        output.remark(
            f"stopped: {total.done} of {total.matched} done and kept, the rest is as it was; run it again to go on"
        )
    elif summary is not None:
        click.echo(visible(summary))
    elif len(total.answers) > ANSWERS_SHOWN_MAX:
        failed = f", {total.failed} could not be" if total.failed else ""
        click.echo(f"{total.done} done{failed}")
    if total.stopped or total.failed:
        raise click.exceptions.Exit(1)
