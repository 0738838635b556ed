"""`gateway sources`: what is told to a vendor, whether it calls, and what became of what left no event."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.plugin import Callback
from gateway.runtime.clock import Clock
from gateway.store.admin import key_uses
from gateway.store.records import Heard
from gateway.store.store import Store
from gateway.text.signing_key import SigningKey
from tests.cli.conftest import CONFIG, KEY, Cli
from tests.cli.stocked import a_refusal, stock

URL = "http://127.0.0.1:8080/hooks/live"


def test_a_key_that_does_not_hold_yet_says_from_when_on_it_does(configured: Path, cli: Cli) -> None:
    path = configured / "gateway.yaml"
    path.write_text(
        CONFIG.replace(f"keys: [{KEY}]", f"keys: [{KEY}, {{key: a-key-of-next-year-1, valid_from: 2999-01-01}}]")
    )
    stock(configured, lambda store: store.heard([Heard("live", Clock().ms())]))
    assert "from 2999-01-01, never used" in " ".join(cli("sources", "list").stdout.split())


@pytest.fixture
def heard(configured: Path) -> Path:
    """A store that heard of `live` three minutes ago, refused, ignored, and knows a source that is gone."""

    async def work(store: Store) -> None:
        ago = Clock().ms() - 200_000
        await store.heard(
            [Heard("live", ago), Heard("gone", ago), Heard("live", ago, ignored=True, vendor_type="PUSH", size=7)]
        )
        await store.heard([Heard("live", ago - 9_000_000), Heard("live", ago - 60_000, ignored=True, vendor_type="")])
        for code in ("signature_mismatch", "signature_mismatch", "signature_expired"):
            store.keep_refusal(a_refusal(b"{}", code=code, received_at=datetime.now(UTC)))
        store.keep_refusal(a_refusal(b"", source="", code="unknown_source", received_at=datetime.now(UTC)))

    stock(configured, work)
    return configured


def test_sources_list_says_whole_urls_when_each_was_seen_and_what_left_no_event(heard: Path, cli: Cli) -> None:
    answer = cli("sources", "list")
    assert answer.stdout.splitlines() == [
        "live  huawei-live  last seen 3 m ago",
        f"  {URL}",
        "  refused: 2 signature_mismatch, 1 signature_expired",
        "  ignored: PUSH 3 m ago, without a type 4 m ago",
        "gone  not configured  last seen 3 m ago",
    ]
    assert answer.stderr == "1 requests to paths that name no source: gateway refused list --source ''\n"
    assert cli("refused", "list", "--source", "").stdout.count("unknown_source") == 1


def test_sources_list_as_json_holds_the_same(heard: Path, cli: Cli) -> None:
    live, gone = json.loads(cli("sources", "list", "--json").stdout)
    assert live["callback_url"] == URL
    assert live["refused"] == {"signature_mismatch": 2, "signature_expired": 1}
    assert [(one["type"], one["size_bytes"]) for one in live["ignored"]] == [("PUSH", 7), (None, 0)]
    assert (gone["name"], gone["type"], gone["callback_url"]) == ("gone", None, None)
    lines = cli("sources", "list", "--all").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [live, gone]


def test_sources_show_says_one_of_them_and_an_unknown_name_what_was_meant(heard: Path, cli: Cli) -> None:
    answer = cli("sources", "show", "live")
    for part in (URL, "min_trust", "refused signature_mismatch", "ignored PUSH", "7 bytes"):
        assert part in answer.stdout
    assert json.loads(cli("sources", "show", "live", "--json").stdout)["min_trust"] == "timestamp"
    assert "did you mean 'live'?" in cli("sources", "show", "lve", code=2).stderr


def test_a_source_that_never_called_says_so(configured: Path, cli: Cli) -> None:
    stock(configured, lambda store: store.ping())
    assert cli("sources", "list").stdout.splitlines() == ["live  huawei-live  never seen", f"  {URL}"]


def test_long_lists_of_codes_and_types_fit_eighty_columns_and_the_url_stays_whole(configured: Path, cli: Cli) -> None:
    path = "k" * 100
    (configured / "gateway.yaml").write_text(CONFIG.replace("  live:", f"  live:\n    path: {path}"))

    async def work(store: Store) -> None:
        await store.heard(
            [
                Heard("live", Clock().ms(), ignored=True, vendor_type=f"video.some.long.type.{n}\x1b[31m")
                for n in range(9)
            ]
        )

    stock(configured, work)
    lines = cli("sources", "list").stdout.splitlines()
    assert lines[1].endswith(f"/hooks/{path}")
    assert all(len(line) <= 80 for line in lines if path not in line)
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("{host: '::1', port: 81}", "http://[::1]:81/hooks/live"),
        ("{host: 0.0.0.0, port: 80}", "http://0.0.0.0:80/hooks/live"),
        ("{uds: in.sock}", "in.sock:/hooks/live"),
    ],
)
def test_check_and_init_print_the_whole_callback_url_of_each_source(
    configured: Path, cli: Cli, server: str, url: str
) -> None:
    config = CONFIG.replace("{port: 8080}", server).replace("demo-", "a-key-")
    (configured / "gateway.yaml").write_text(config)
    said = cli("check", code=None).stderr.splitlines()
    assert any(line.startswith("source live (huawei-live): ") and line.endswith(url) for line in said)
    written = cli("init", "other.yaml", "--source", "zoom").stderr
    assert "(zoom): http://127.0.0.1:8080/hooks/" in written


def test_sources_list_says_when_each_key_was_used_last_and_which_may_go(configured: Path, cli: Cli) -> None:
    now = Clock().ms()
    keys = (SigningKey("the-old-key-of-the-vendor"), SigningKey("the-new-key-of-the-vendor"))
    used = {("live", keys[0].mark): now - 3 * 86_400_000, ("live", keys[1].mark): now - 60_000}

    async def work(store: Store) -> None:
        await store.write(lambda session: key_uses.write_uses(session, used))

    path = configured / "gateway.yaml"
    text = path.read_text()
    written = "[{key: the-old-key-of-the-vendor, name: old}, the-new-key-of-the-vendor, {key: a-key-of-next-year, valid_from: 2999-01-01}]"
    path.write_text(text.replace(f"keys: [{KEY}]", f"keys: {written}"))
    stock(configured, work)
    listed = " ".join(cli("sources", "list").stdout.split())
    assert (
        "keys: old last used 3 d ago: may go, keys[1] last used 1 m ago, keys[2] from 2999-01-01, never used" in listed
    )
    shown = cli("sources", "show", "live").stdout
    assert "last used 3 d ago: may go" in shown
    (live,) = json.loads(cli("sources", "list", "--json").stdout)
    assert [(key["name"], key["time"], key["may_go"]) for key in live["keys"]] == [
        ("old", "holds", True),
        (None, "holds", False),
        (None, "begins", False),
    ]
    assert "the-old-key" not in json.dumps(live) + listed + shown


def test_send_signs_with_a_key_that_holds_and_check_names_those_that_do_not(configured: Path, cli: Cli) -> None:
    path = configured / "gateway.yaml"
    text = path.read_text()
    old = "{key: the-old-key-of-the-vendor-of-2001, valid_until: 2001-01-01}"
    path.write_text(text.replace(f"keys: [{KEY}]", f"keys: [{old}, {KEY}]"))
    assert "keys[0] ended on 2001-01-01 and verifies nothing any more" in cli("check").stderr
    (both,) = cli("send", "--type", "RECORD_START", "--field", "publish_timestamp=1", "--print").stdout.splitlines()
    path.write_text(text)
    (new,) = cli("send", "--type", "RECORD_START", "--field", "publish_timestamp=1", "--print").stdout.splitlines()
    source = load(path, environ={}).source("live")
    for line in (both, new):
        assert source.verify(Callback.of("live", line.encode(), headers=[], received_at=Clock().now())).key == 0
    path.write_text(text.replace(f"keys: [{KEY}]", f"keys: {old}"))
    assert "no key holds today: every callback is refused" in cli("check").stderr
    named = [f"{{key: {key}, name: autumn}}" for key in (KEY, "another-key-of-the-vendor-00")]
    path.write_text(text.replace(f"keys: [{KEY}]", f"keys: [{', '.join(named)}]"))
    assert "two keys are called autumn" in cli("check").stderr
