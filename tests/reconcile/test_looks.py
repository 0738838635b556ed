"""`gateway reconcile` in more detail: what programs are told, several sources, and a gateway that takes over meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import vendor_list
from gateway.cli.commands.reconcile import _place
from gateway.events.samples import sample
from gateway.model import File, Storage
from plugins.sources.huawei_live.source import HuaweiLive
from tests.commands import invoke
from tests.reconcile import test_commands
from tests.reconcile.conftest import Configured
from tests.reconcile.test_commands import Run, events, listed
from tests.reconcile.vendor import Vendor
from tests.store.kit import beside

run = test_commands.run


def test_programs_are_told_what_is_missing_by_its_id_and_place(run: Run, vendor: Vendor) -> None:
    vendor.rows = [listed(1)]
    told = json.loads(run("reconcile", "--json").stdout)
    assert (told["source"], told["listed"], told["known"], told["problems"]) == ("live", 1, 0, [])
    (one,) = told["recordings"]
    assert (one["result"], one["stream"], one["format"]) == ("missing", "s1", "hls")
    assert one["file"] == "recordings/live/record-push.example.com-live-s1-1/record-1.m3u8"
    assert [one["id"]] == [stored["id"] for stored in events(run)]


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ((), ""),
        ((File(storage=Storage(bucket="b", key="a/b.m3u8")),), "b/a/b.m3u8"),
        (
            (File(storage=Storage(bucket="b"), play_url="https://x.example/a.m3u8?sign=canary"),),
            "https://x.example/a.m3u8",
        ),
        ((File(download_url="https://[no-address/a.m3u8"),), ""),
        ((File(download_url="canary"),), ""),
    ],
)
def test_where_a_listed_file_lies_is_said_without_what_signs_a_link(files: tuple[File, ...], place: str) -> None:
    assert _place(sample("recording.file.completed", stream="s1").replace(files=files)) == place


def test_what_is_stored_already_is_noted_however_much_it_is(
    run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.rows = [listed(number) for number in range(1, 6)]
    assert "5 missing" in run("reconcile").output
    monkeypatch.setattr(vendor_list, "NOTED_ROWS", 1)
    assert run("reconcile", "--dry-run").output == "5 listed, 5 known, 0 missing\n"


def test_a_gateway_that_takes_over_between_two_pages_keeps_what_was_had(
    run: Run, vendor: Vendor, lite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.rows = [listed(1)]
    ask = HuaweiLive.list_recordings

    async def taken_over(*arguments: Any) -> Any:
        page = await ask(*arguments)
        with beside(lite) as session:
            session.change("UPDATE reconciliations SET owner = 'a gateway', until_at = :now + 60000")
        return page

    monkeypatch.setattr(HuaweiLive, "list_recordings", taken_over)
    ended = run("reconcile")
    assert (ended.exit_code, "a gateway took over asking the vendor of live" in ended.stderr) == (1, True), ended.output
    assert events(run) == []


def test_of_several_sources_one_has_to_be_named(
    run: Run, configured: Configured, lite: str, tmp_path: Path, vendor: Vendor
) -> None:
    config = configured(lite)
    config["sources"]["vod"] = config["sources"]["live"] | {"path": "vod"}
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(config).replace('"recorder"', '"console"'))
    wrong = invoke(["-c", str(path), "reconcile"], cwd=tmp_path)
    assert (wrong.exit_code, "there are: live, vod" in wrong.output) == (2, True), wrong.output
    vendor.rows = [listed(1)]
    assert "1 missing" in invoke(["-c", str(path), "reconcile", "--source", "vod"], cwd=tmp_path).output
