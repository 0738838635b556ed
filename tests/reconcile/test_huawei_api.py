"""Calls of the vendor's API: what it answers oddly is said in words, and nothing is taken for what it is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway import CallbackConfiguration, Http, ListSpan, Refused, Retry, Unavailable
from gateway.testing import FrozenClock
from plugins.sources.huawei_live import api, callback_setup
from plugins.sources.huawei_live.callback_setup import read_callbacks, write_callback
from plugins.sources.huawei_live.listed import list_page
from plugins.sources.huawei_live.options import HuaweiLiveOptions
from plugins.sources.huawei_live.reconcile import HuaweiReconcile
from tests.reconcile.conftest import KEY
from tests.reconcile.vendor import AK, PROJECT, SK, START, Vendor, entry

EVERYTHING = ListSpan(START.replace(year=2025), START)


@pytest.fixture
def options(vendor_at: tuple[Vendor, str]) -> HuaweiLiveOptions:
    asked = {"every": "1h", "project_id": PROJECT, "access_key": AK, "secret_key": SK, "base_url": vendor_at[1]}
    said = {"keys": [KEY], "domains": ["push.example.com"], "reconcile": {**asked, "allow": "127.0.0.0/8"}}
    return HuaweiLiveOptions.model_validate(said)


@pytest.fixture
def account(options: HuaweiLiveOptions) -> HuaweiReconcile:
    assert options.reconcile is not None
    return options.reconcile


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    one = Http(clock=FrozenClock())
    yield one
    await one.close()


@pytest.mark.parametrize(
    ("status", "headers", "body", "failure", "text"),
    [
        (200, {}, b"[" + b" " * 2000 + b"]", Refused, r"answered with more than 1000 bytes$"),
        (200, {}, b"<html>", Retry, "answered with no JSON object"),
        (500, {}, b"[1]", Retry, "answered 500$"),
        (500, {}, b"<html>", Retry, "answered 500$"),
        (500, {}, b'{"error": {"code": 7}}', Retry, r"answered 500 \(7\)$"),
        (401, {"date": "Thu, 01 Jan 2026 00:04:59 GMT"}, b"", Unavailable, "does not take this access key. Is"),
        (401, {"date": "Thu, 01 Jan 2026 00:05:01 GMT"}, b"", Unavailable, "clock is 301 s behind the vendor's"),
    ],
)
async def test_what_the_api_answers_is_said_in_words(
    status: int,
    headers: dict[str, str],
    body: bytes,
    failure: type[Exception],
    text: str,
    vendor: Vendor,
    account: HuaweiReconcile,
    http: Http,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api, "ANSWER_BYTES_MAX", 1000)
    vendor.answers = [(status, headers, body)]
    with pytest.raises(failure, match=text):
        await api.call(http, account, "GET", "/record/contents")


async def test_an_answer_without_a_word_says_nothing_and_is_no_failure(
    vendor: Vendor, account: HuaweiReconcile, http: Http
) -> None:
    vendor.answers = [(200, {}, b"\r\n")]
    assert await api.call(http, account, "GET", "/record/contents") == {}


async def test_configurations_are_read_page_by_page_and_an_api_that_repeats_itself_has_an_end(
    vendor: Vendor, account: HuaweiReconcile, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.callbacks = [{"id": f"c{number}", "publish_domain": "push.example.com"} for number in range(250)]
    assert [one.id for one in await read_callbacks(http, account)] == [f"c{number}" for number in range(250)]
    with monkeypatch.context() as patched:
        patched.setattr(callback_setup, "PAGES_MAX", 2)
        assert len(await read_callbacks(http, account)) == 200
    again = b'{"callback_config": [%s]}' % b", ".join([b'{"id": "same"}'] * 100)
    vendor.asked, vendor.answers = [], [(200, {}, again)] * 3
    assert {one.id for one in await read_callbacks(http, account)} == {"same"}
    assert len(vendor.asked) == 2


@pytest.mark.parametrize("listed", [b'"none"', b"{}", b"[1]", b'[{}, "x"]'])
async def test_what_is_no_list_of_configurations_is_not_taken_for_one(
    listed: bytes, vendor: Vendor, account: HuaweiReconcile, http: Http
) -> None:
    vendor.answers = [(200, {}, b'{"callback_config": %s}' % listed)]
    with pytest.raises(Retry, match="is this the API of Huawei Live"):
        await read_callbacks(http, account)


def required(**changes: Any) -> CallbackConfiguration:
    said: dict[str, Any] = {"domain": "push.example.com", "app": "*", "url": "https://x/hooks/live", "id": None}
    return CallbackConfiguration(
        **{**said, "event_types": frozenset({"RECORD_START", "RECORD_OVER"}), "sign_type": "", **changes}
    )


async def test_a_callback_without_a_signature_is_configured_without_a_key(
    vendor: Vendor, options: HuaweiLiveOptions, account: HuaweiReconcile, http: Http
) -> None:
    assert await write_callback(http, options, account, required()) is None
    assert await write_callback(http, options, account, required(sign_type="MD5", id="c1")) is None
    bodies = [body for _, _, _, body in vendor.asked]
    assert [{"key", "sign_type"} & body.keys() for body in bodies] == [set(), {"key", "sign_type"}]


@pytest.mark.parametrize(
    ("status", "types"), [(409, {"RECORD_START", "RECORD_OVER"}), (400, {"RECORD_OVER"})], ids=["taken", "odd"]
)
async def test_a_change_that_is_refused_for_another_reason_is_not_tried_otherwise(
    status: int,
    types: set[str],
    vendor: Vendor,
    options: HuaweiLiveOptions,
    account: HuaweiReconcile,
    http: Http,
) -> None:
    vendor.answers = [(status, {}, b'{"error_code": "LIVE.9"}')]
    with pytest.raises(Refused, match=r"\(LIVE\.9\)"):
        await write_callback(http, options, account, required(event_types=frozenset(types)))
    assert len(vendor.asked) == 1


async def test_the_list_of_all_domains_names_none_and_a_run_of_fewer_domains_ends(
    vendor: Vendor, account: HuaweiReconcile, http: Http
) -> None:
    vendor.rows = [entry(1), entry(2, publish_domain="other.example.com")]

    async def page(domains: list[str], next: str | None) -> Any:
        return await list_page(http, account, "live", domains, lambda *_: True, EVERYTHING, next)

    assert [event.domain for event in (await page([], None)).events] == ["push.example.com", "other.example.com"]
    assert "publish_domain" not in vendor.listed[0]
    assert (await page(["push.example.com"], "1 0 0")) == (await page([], "1 0 0"))
    assert (await page([], "1 0 0")).next is None
    assert len(vendor.listed) == 1


@pytest.mark.parametrize("listed", [b'"none"', b"{}"])
async def test_what_is_no_list_of_recordings_is_not_taken_for_an_empty_one(
    listed: bytes, vendor: Vendor, account: HuaweiReconcile, http: Http
) -> None:
    vendor.answers = [(200, {}, b'{"record_contents": %s}' % listed)]
    with pytest.raises(Retry, match="has no `record_contents`"):
        await list_page(http, account, "live", [], lambda *_: True, EVERYTHING, None)


async def test_a_list_that_ends_before_its_own_count_is_told_of(
    vendor: Vendor, account: HuaweiReconcile, http: Http
) -> None:
    row = json.dumps(entry(1))
    vendor.answers = [
        (200, {}, f'{{"total": {total}, "record_contents": {listed}}}'.encode())
        for total, listed in ((250, f"[{row}]"), (1, f"[{row}]"), (0, "null"), (7, "null"))
    ]
    told = [await list_page(http, account, "live", [], lambda *_: True, EVERYTHING, None) for _ in range(4)]
    sentence = "the list of CONTINUOUS_RECORD ends after {} of the {} that the vendor counts"
    assert [page.problems for page in told] == [[sentence.format(1, 250)], [], [], [sentence.format(0, 7)]]
    assert [len(page.events) for page in told] == [1, 1, 0, 0]
