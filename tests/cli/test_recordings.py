"""`gateway recordings` beside a real store."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.recording_reads import RecordingQuery
from gateway.admin.results import Page
from gateway.cli.commands.recordings import _page
from gateway.events.samples import sample
from gateway.store.store import Store
from tests.cli.conftest import Cli
from tests.cli.stocked import NOW, accept, stock, wanted

FIELDS = {
    *("id", "source", "domain", "app", "stream", "state", "first_at", "started_at", "ended_at", "files", "events"),
    *("events_total", "missing"),
}
LIFE = ("recording.started", "recording.file.started", "recording.file.completed", "recording.ended")


@pytest.fixture
def stocked(configured: Path) -> None:
    """A whole recording, and one that ended without a file."""

    async def work(store: Store) -> None:
        for stream, types in (("whole", LIFE), ("bare", (LIFE[0], LIFE[3]))):
            for minute, type in enumerate(types):
                at = NOW + timedelta(minutes=minute)
                await accept(store, wanted(sample(type, stream=stream).replace(received_at=at, time=at)))
        await store.follow_recordings()

    stock(configured, work)


def test_recordings_are_listed_newest_first_on_80_columns(stocked: None, cli: Cli) -> None:
    lines = cli("recordings", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "BEGAN", "SOURCE", "STREAM", "STATE", "FILES", "MISSING"]
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert "recording.file.completed" in lines[1]
    assert "ended" in lines[2]
    assert max(map(len, lines)) <= 80


def test_they_have_the_documented_fields(stocked: None, cli: Cli) -> None:
    bare, whole = json.loads(cli("recordings", "list", "--json").stdout)
    assert set(whole) == set(bare) == FIELDS
    assert (whole["state"], whole["missing"], whole["events_total"], len(whole["files"])) == ("ended", [], 4, 1)
    assert whole["files"][0]["event"] in whole["events"]
    assert bare["missing"] == ["recording.file.completed"]


@pytest.mark.parametrize(
    ("options", "streams"),
    [
        (["--missing"], ["bare"]),
        (["--stream", "wh*"], ["whole"]),
        (["--state", "open"], []),
        (["--since", "2026-01-01T11:00Z", "--limit", "1"], ["bare"]),
        (["--until", "2026-01-01T11:00Z"], []),
        (["--source", "nothing*"], []),
        (["--all"], ["bare", "whole"]),
    ],
)
def test_filters_choose(stocked: None, cli: Cli, options: list[str], streams: list[str]) -> None:
    text = cli("recordings", "list", *options, *([] if options == ["--all"] else ["--json"])).stdout
    items = [json.loads(line) for line in text.splitlines()] if options == ["--all"] else json.loads(text)
    assert [item["stream"] for item in items] == streams


def test_one_is_shown_with_its_files_and_links_without_their_queries(stocked: None, cli: Cli) -> None:
    shown = cli("recordings", "show", "1")
    assert "whole" in shown.stdout
    (file,) = json.loads(cli("recordings", "show", "1", "--json").stdout)["files"]
    assert file["download_url"].partition("?")[0] in shown.stdout.replace("\n", "")
    assert f"gateway events show {file['event']}" in shown.stderr + shown.stdout


def test_one_that_is_not_there_is_said(stocked: None, cli: Cli) -> None:
    gone = cli("recordings", "show", "7", code=1)
    assert "there is no recording 7" in gone.stderr


def test_an_event_says_which_recording_it_belongs_to(stocked: None, cli: Cli) -> None:
    ref = json.loads(cli("recordings", "show", "1", "--json").stdout)["events"][0]
    assert "`gateway recordings show 1` has it whole" in cli("events", "show", ref).stdout
    assert json.loads(cli("events", "show", ref, "--json").stdout)["session"] == 1


def test_a_search_that_comes_back_short_goes_on_until_the_page_is_full() -> None:
    asked: list[tuple[int, str | None]] = []

    class Short:
        """Has 500, and finds a hundred of them in its time."""

        def recordings(self, query: RecordingQuery) -> Page[int]:
            asked.append((query.limit, query.cursor))
            begin = 0 if query.cursor is None else int(query.cursor)
            end = min(begin + min(query.limit, 100), 500)
            return Page.model_construct(items=list(range(begin, end)), next=str(end) if end < 500 else None)

    service: Any = Short()
    assert list(_page(service, {}, 250, None)) == list(range(250))
    assert asked == [(199, None), (150, "100"), (50, "200")]
    assert len(_page(service, {}, 1000, None)) == 500
