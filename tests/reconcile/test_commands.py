"""`gateway reconcile` and `gateway sources doctor`, beside a store and a vendor on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from gateway.runtime.clock import Clock
from gateway.testing import running
from plugins.sources.huawei_live.source import HuaweiLive
from tests.commands import invoke
from tests.reconcile.conftest import Configured
from tests.reconcile.vendor import Vendor, asked, callback_fields, entry
from tests.store.kit import beside
from tests.web.admin_api import OPERATE, READ, ask, serve, until

URL = "https://hooks.example.com/hooks/live"
TYPES = ["RECORD_START", "RECORD_NEW_FILE_START", "RECORD_FILE_COMPLETE", "RECORD_OVER", "RECORD_FAILED"]


def listed(number: int, **changes: Any) -> dict[str, Any]:
    """A recording that ended an hour ago by the real clock, which commands go by."""
    from datetime import timedelta

    return entry(number, Clock().now() - timedelta(hours=1), **changes)


Run = Callable[..., Result]


@pytest.fixture
def run(configured: Configured, lite: str, tmp_path: Path) -> Run:
    """Runs a command beside a store that a gateway made."""

    def run_(*arguments: str, reconcile: dict[str, Any] | None = None, **source: Any) -> Result:
        path = tmp_path / "gateway.yaml"
        path.write_text(json.dumps(configured(lite, reconcile, **source)).replace('"recorder"', '"console"'))
        path.chmod(0o600)
        return invoke(["-c", str(path), *arguments], cwd=tmp_path)

    assert run_("store", "migrate").exit_code == 0
    return run_


def events(run: Run) -> list[dict[str, Any]]:
    return list(json.loads(run("events", "list", "--json").output))


def test_a_look_prints_what_is_missing_and_stores_no_event(run: Run, vendor: Vendor) -> None:
    vendor.rows = [listed(1), listed(2, download_url="https://recordings.obs.example.com/x?Signature=secret")]
    looked = run("reconcile", "--dry-run")
    assert looked.exit_code == 1
    assert "2 listed, 0 known, 2 missing" in looked.output
    assert "recordings/live/record-push.example.com-live-s1-1/record-1.m3u8" in looked.output
    assert events(run) == []


def test_what_is_missing_is_had_and_written_down(run: Run, vendor: Vendor) -> None:
    vendor.rows = [listed(1)]
    assert "1 listed, 0 known, 1 missing before" in run("reconcile", "--source", "live").output
    assert [(one["subject"], one["deliveries"]) for one in events(run)] == [
        ("push.example.com/live/s1", {"waiting": 1})
    ]
    again = run("reconcile", "--source", "live", "--dry-run", "--json")
    assert (again.exit_code, json.loads(again.output)["recordings"]) == (0, [])
    (act,) = json.loads(run("audit", "list", "--json").output)[:1]
    assert (act["act"], act["target"], act["result"]) == (
        "sources reconcile",
        "live",
        "1 listed, 0 known, 1 missing before",
    )
    assert json.loads(run("sources", "show", "live", "--json").output)["reconciled_at"]
    assert "vendor's list gone through 0 s ago" in run("sources", "list").output


def test_a_look_says_what_it_could_not_tell_and_from_when_on_it_asked(run: Run, vendor: Vendor, lite: str) -> None:
    link = "https://recordings.obs.example.com/a.m3u8?Signature=secret"
    vendor.rows = [listed(1, obs_addr=None, download_url=link), listed(2, obs_addr=None, download_url=None)]
    with beside(lite) as session:
        session.change("UPDATE reconciliations SET noted_at = 0")
        session.change(
            """INSERT INTO remembered (id, source, fingerprint, trust, held, seen_at)
               VALUES ('x', 'live', x'00', 0, 0, CAST(strftime('%s', 'now') AS INTEGER) * 1000)"""
        )
    looked = run("reconcile", "--dry-run", "--since", "20d")
    assert "https://recordings.obs.example.com/a.m3u8" in looked.stdout
    assert "Signature" not in looked.output
    assert looked.stderr.count("not understood: ") == 1


def test_what_stands_in_the_way_of_a_look_is_told(run: Run, lite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(HuaweiLive, "list_recordings", broken)
        failed = run("reconcile", "--dry-run")
    assert (failed.exit_code, "the source plugin huawei-live failed" in failed.stderr) == (1, True), failed.output
    assert run("reconcile").exit_code == 0
    with beside(lite) as session:
        session.change("UPDATE reconciliations SET owner = 'other', until_at = :now + 60000")
    held = run("reconcile", "--source", "live")
    assert (held.exit_code, "a gateway is asking the vendor of live now" in held.stderr) == (1, True)


async def test_a_callback_that_came_is_no_difference(
    run: Run, configured: Configured, lite: str, vendor: Vendor
) -> None:
    vendor.rows = [listed(1)]
    without = configured(lite)
    del without["sources"]["live"]["reconcile"]
    async with running(without) as gateway:
        await gateway.send("RECORD_FILE_COMPLETE", fields=callback_fields(vendor.rows[0]))
    looked = await asyncio.to_thread(run, "reconcile", "--dry-run")
    assert looked.output == "1 listed, 1 known, 0 missing\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--source", "liv"), "did you mean 'live'"),
        (("--since", "2"), "is no duration"),
        (("--since", "60d"), "is not between 1h and 30d"),
    ],
)
def test_wrong_use_is_told(run: Run, arguments: tuple[str, ...], says: str) -> None:
    wrong = run("reconcile", *arguments)
    assert wrong.exit_code == 2
    assert says in wrong.output


def test_a_source_that_asks_nobody_is_told_how(run: Run, configured: Configured, lite: str, tmp_path: Path) -> None:
    without = configured(lite)
    del without["sources"]["live"]["reconcile"]
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(without).replace('"recorder"', '"console"'))
    for command in (("reconcile", "--source", "live"), ("sources", "doctor", "live")):
        wrong = invoke(["-c", str(path), *command], cwd=tmp_path)
        assert wrong.exit_code == 2
        assert "has no `reconcile:`" in wrong.output


def test_a_refusal_of_the_vendor_is_told_in_words(run: Run, vendor: Vendor) -> None:
    vendor.secret = "another secret of the vendor's"
    for command in (("reconcile",), ("sources", "doctor")):
        refused = run(*command)
        assert refused.exit_code == 1
        assert "it does not take this access key" in refused.output
        assert "secret-of-the-tests" not in refused.output
    assert json.loads(run("sources", "show", "live", "--json").output)["reconciled_at"] is None


async def test_a_list_that_cannot_be_had_again_and_again_needs_a_person(
    configured: Configured, lite: str, vendor: Vendor
) -> None:
    vendor.secret = "another secret of the vendor's"
    async with running(configured(lite)) as gateway:
        service = gateway.gateway.admin
        for failures in range(1, 4):
            await asked(gateway)
            kinds = [one.kind for one in (await service.overview()).attention]
            assert ("source.unlisted" in kinds) == (failures == 3)


# -- doctor


def good(**changes: Any) -> dict[str, Any]:
    said = {"publish_domain": "push.example.com", "app": "live", "notify_callback_url": URL, "sign_type": "HMACSHA256"}
    return {"id": "c1", **said, "notify_event_subscription": TYPES, "create_time": "2026-01-01T00:00:00Z", **changes}


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ([], "no callback is configured: nothing of it comes here"),
        (
            [good(notify_callback_url="http://old.example/hooks/live")],
            f"calls http://old.example/hooks/live, expected {URL}",
        ),
        ([good(notify_callback_url=None)], "calls nobody"),
        (
            [good(notify_event_subscription=["RECORD_FILE_COMPLETE"])],
            "does not tell RECORD_FAILED, RECORD_NEW_FILE_START",
        ),
        ([good(sign_type="MD5")], "signs with MD5, expected HMACSHA256"),
        (
            [good(app="*", notify_callback_url="https://other.example/")],
            "what is configured for all apps is not for this source",
        ),
        ([good(app="other")], "no callback is configured"),
        ([good(publish_domain="other.example.com")], "no callback is configured"),
    ],
)
def test_what_differs_is_told_and_mended(run: Run, vendor: Vendor, there: list[dict[str, Any]], says: str) -> None:
    vendor.callbacks = there
    asked = {"callback_url": URL}
    told = run("sources", "doctor", "live", reconcile=asked)
    assert told.exit_code == 1
    assert f"push.example.com/live: {says}" in told.output
    assert [method for method, *_ in vendor.asked] == ["GET"]
    mended = run("sources", "doctor", "live", "--fix", "--yes", reconcile=asked)
    assert mended.exit_code == 0, mended.output
    assert "the vendor calls as expected" in mended.output
    sent = next(body for method, _, _, body in vendor.asked if method in ("POST", "PUT"))
    assert sent["key"] == "demo-0123456789abcdef0123456789abcdef"
    assert "create_time" not in sent
    assert "demo-0123456789abcdef" not in mended.output


@pytest.mark.parametrize("there", [[good()], [good(app="*")]])
def test_what_is_as_expected_is_well(run: Run, vendor: Vendor, there: list[dict[str, Any]]) -> None:
    vendor.callbacks = there
    well = run("sources", "doctor", "live", "--fix", reconcile={"callback_url": URL})
    assert (well.exit_code, well.output) == (0, "live: the vendor calls as expected; its key is not told\n")


def test_an_app_of_its_own_goes_before_the_one_for_all(run: Run, vendor: Vendor) -> None:
    vendor.callbacks = [good(app="*"), good(id="c2", app="vip", sign_type="MD5")]
    told = run("sources", "doctor", "--json", reconcile={"callback_url": URL}, apps=["l*", "vip"])
    assert json.loads(told.output) == [
        {"domain": "push.example.com", "app": "vip", "id": "c2", "differs": ["signs with MD5, expected HMACSHA256"]}
    ]


def test_what_the_api_does_not_take_is_left_to_the_console(run: Run, vendor: Vendor) -> None:
    vendor.callbacks, vendor.without_start = [good(sign_type="MD5", on_demand_callback_url="https://app/x")], True
    fixed = run("sources", "doctor", "--fix", "--yes", reconcile={"callback_url": URL})
    assert "tick it in the vendor's console" in fixed.output
    assert fixed.exit_code == 1
    assert vendor.callbacks[0]["sign_type"] == "HMACSHA256"
    assert vendor.callbacks[0]["on_demand_callback_url"] == "https://app/x"


def test_nothing_is_changed_without_a_yes(run: Run, vendor: Vendor) -> None:
    vendor.callbacks = [good(sign_type="MD5")]
    assert run("sources", "doctor", "--fix", reconcile={"callback_url": URL}).exit_code == 1
    assert vendor.callbacks[0]["sign_type"] == "MD5"


def test_what_was_changed_is_said_though_it_cannot_be_written_down(
    run: Run, vendor: Vendor, lite: str, tmp_path: Path
) -> None:
    vendor.callbacks = [good(sign_type="MD5")]
    (tmp_path / "gateway.db").rename(tmp_path / "away.db")
    fixed = run("sources", "doctor", "--fix", "--yes", "--json", reconcile={"callback_url": URL})
    assert vendor.callbacks[0]["sign_type"] == "HMACSHA256"
    assert "it is changed; the audit log could not be written: " in fixed.stderr
    assert json.loads(fixed.stdout) == []


def test_without_a_whole_address_the_path_is_compared_and_nothing_changed(run: Run, vendor: Vendor) -> None:
    vendor.callbacks = [good(notify_callback_url="https://any.example/hooks/live")]
    assert run("sources", "doctor").exit_code == 0
    vendor.callbacks = [good(notify_callback_url="https://any.example/hooks/other")]
    assert "expected an address that ends in /hooks/live" in run("sources", "doctor").output
    assert "set `callback_url`" in run("sources", "doctor", "--fix", "--yes").output


def test_domains_that_are_no_names_cannot_be_compared(run: Run) -> None:
    assert "has to list the exact names" in run("sources", "doctor", domains=["*.example.com"]).output


# -- a gateway elsewhere


def test_a_gateway_elsewhere_is_asked_to_do_it(
    configured: Configured, lite: str, vendor: Vendor, tmp_path: Path
) -> None:
    vendor.rows = [listed(1)]
    tokens = [{"name": "ops", "token": OPERATE, "role": "operate"}, {"name": "look", "token": READ}]
    config = configured(lite, {"every": None}) | {"server": {"port": 0}, "admin": {"port": 0, "tokens": tokens}}
    config["sinks"] = {"app": {"type": "file", "path": "events.jsonl"}}
    (tmp_path / "token").write_text(OPERATE)
    with serve(tmp_path, config=json.dumps(config)) as served:
        there = ["--url", f"http://127.0.0.1:{served.addresses.private.port}", "--token-file", "token"]
        begun = invoke(["reconcile", "--source", "live", "--since", "1d", *there], cwd=tmp_path)
        assert begun.exit_code == 0
        assert "live: the list since " in begun.output  # the gateway of this process writes its log beside it
        page = until(served, "/events", lambda page: page["items"])
        assert [one["subject"] for one in page["items"]] == ["push.example.com/live/s1"]
        source = until(served, "/sources/live", lambda source: source["reconciled_at"])
        assert source["reconcile_error"] is None
        (act,) = ask(served, "/audit?act=sources%20reconcile").json()["items"]
        assert act["target"] == "live"
        assert invoke(["reconcile", "--source", "liv", *there], cwd=tmp_path).exit_code == 1
        assert "name the source" in invoke(["reconcile", *there], cwd=tmp_path).output
        assert "beside the configuration" in invoke(["reconcile", "--dry-run", *there], cwd=tmp_path).output
        shown = invoke(["sources", "show", "live", *there], cwd=tmp_path)
        assert "vendor's list" in shown.output
        served.ask()
        served.result()
