"""The loop of what is followed on a terminal: it ends with Ctrl-C, or when whoever reads its output has gone."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from gateway.cli import output
from gateway.cli.follow import EventFollower
from gateway.cli.news import BACK, FOR_GOOD, LOST, NewsBeside, NewsElsewhere, NewsFeed, NewsItem, OnlyPauses
from gateway.cli.remote_client import RefusedElsewhere
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.admin.stream import NewsFilter
    from gateway.cli.invocation import Invocation
    from gateway.cli.live_lines import LiveLines
    from gateway.store.admin.admin import StoreAdmin
    from gateway.store.admin.shown_rows import EventRow

LOOK_SECONDS: Final = 5.0
TRIGGERS: Final = frozenset({"event", "missed", BACK})  # news after which the events are looked at


def news_of(invocation: Invocation, admin: StoreAdmin, news_filter: NewsFilter, *, attempts: bool) -> NewsFeed:
    """The news to follow: of a gateway elsewhere its stream; beside the store those in it, where more than events is wanted."""
    if invocation.remote is not None:
        return NewsElsewhere(invocation.remote, news_filter)
    return NewsBeside(admin, news_filter) if attempts else OnlyPauses()


def follow(
    admin: StoreAdmin,
    news: NewsFeed,
    follower: EventFollower,
    lines: LiveLines,
    *,
    count: int | None,
    keeps: Callable[[NewsItem], bool] = lambda item: item.kind != "event",
    elsewhere: bool,
) -> None:
    """Print what was there, `count` of it, and then what comes, until a person ends it."""
    try:
        with news:
            _print_events(admin, lines, follower.newest(count))
            _loop(admin, news, follower, lines, keeps, elsewhere=elsewhere)
    except KeyboardInterrupt:
        return


def _loop(
    admin: StoreAdmin,
    news: NewsFeed,
    follower: EventFollower,
    lines: LiveLines,
    keeps: Callable[[NewsItem], bool],
    *,
    elsewhere: bool,
) -> None:
    troubled = False
    looked_at = time.monotonic()
    while not reader_gone():
        try:
            items = news.wait(LOOK_SECONDS)
            now = time.monotonic()
            if not elsewhere or now - looked_at >= LOOK_SECONDS or any(item.kind in TRIGGERS for item in items):
                looked_at = now
                _print_events(admin, lines, follower.fresh(now))
        except GatewayError as error:
            if isinstance(error, RefusedElsewhere) and error.status in FOR_GOOD:
                raise
            if not troubled:
                output.remark(f"{str(error).splitlines()[0]}; trying again")
            troubled = True
            time.sleep(1.0)
            continue
        troubled = False
        for item in items:
            if keeps(item):
                lines.news(item)


def _print_events(admin: StoreAdmin, lines: LiveLines, rows: Sequence[EventRow]) -> None:
    if rows:
        lines.events(rows, admin.short_refs((row.ref, row.id, row.source) for row in rows))


def reader_gone() -> bool:
    """Whether nobody reads what is printed any more, as after `| head` or where the terminal was closed. Without this a quiet gateway would be followed
    for ever, because only printing would find out."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
    except (OSError, ValueError):
        return False


def kept_by(stream: str | None, subject: str | None, sink: str | None, *, held: bool) -> Callable[[NewsItem], bool]:
    """Keeps the news of these streams; those of no stream, as of a sink, only where none is asked for. Events are none of
    them, because they are read from the store itself, whole."""
    from gateway.store.admin.pages import of_stream

    def keeps(item: NewsItem) -> bool:
        if item.kind == "event":
            return False
        if item.kind in (BACK, LOST, "missed"):
            return True
        about = item.data.get("subject")
        if sink is not None and item.data.get("sink") != sink:
            return False
        if not isinstance(about, str):
            return stream is None and subject is None and not held
        return (
            not held
            and (subject is None or fnmatchcase(about, subject))
            and (stream is None or of_stream(about, stream))
        )

    return keeps
