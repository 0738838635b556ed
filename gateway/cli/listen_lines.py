"""What `gateway listen` prints: each request on two lines and its answer on one, in at most 80 columns."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

import click

from gateway.cli.local_post import LocalAnswer
from gateway.cli.pull_client import PulledEvent
from gateway.cli.table import available, cell_width, cut, styled
from gateway.text.escaping import visible
from gateway.text.redaction import redact

COLUMNS_MAX: Final = 80
BODY_LINES_MAX: Final = 200  # of one event, where it is printed whole


class ListenLines:
    """Nothing in an event or an answer can move the cursor, and no signed URL is shown with its query."""

    def __init__(self, *, body: bool) -> None:
        self._body = body

    def sent(self, fetched: PulledEvent, url: str, *, replay: bool) -> None:
        """A request goes out now."""
        document = fetched.document
        again = " (replay)" if replay or fetched.replay else f" (attempt {fetched.attempt})" * (fetched.attempt > 1)
        self._line(f"{_now()} → ", f"{document.get('type')}{again}  {document.get('subject') or '-'}", bold=True)
        self._line(" " * 11, f"POST {url}  id {document.get('id')}")
        if self._body:
            for line in json.dumps(document, indent=2, ensure_ascii=False).splitlines()[:BODY_LINES_MAX]:
                self._line(" " * 11, redact(line))

    def answered(self, posted: LocalAnswer, *, replay: bool) -> None:
        """What came back, and what became of the delivery."""
        took = f"{posted.seconds * 1000:.0f} ms" if posted.seconds < 1 else f"{posted.seconds:.1f} s"
        good = posted.failure is None
        words = posted.excerpt if posted.reached else posted.failure or ""
        fate = "" if replay else "  acknowledged" if good else "  given back, it comes again"
        status = "no answer" if posted.status is None else str(posted.status)
        self._line(
            f"{_now()} ← ", f"{status} in {took}{fate}{f'  {words}' if words else ''}", fg="green" if good else "red"
        )

    def _line(self, head: str, text: str, **style: object) -> None:
        width = min(available() or COLUMNS_MAX, COLUMNS_MAX)
        text = cut(visible(text), max(width - cell_width(head), 1), middle=False)
        click.echo(f"{head}{styled(text, **style) if style else text}".rstrip())


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
