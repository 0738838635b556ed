"""Huawei Live callbacks made by hand: the formulas here are written a second time, so that they can disagree with ours."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from gateway import (
    Callback,
    Event,
    Verified,
)
from gateway.testing import NOW, callback
from plugins.sources.huawei_live import HuaweiLive

KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
NOW_SECONDS = int(NOW.timestamp())

FINISHED: dict[str, Any] = {
    "project_id": "70b76000000034253880af501cd00000",
    "job_id": "dc0a1773-0cef-4000-8000-9a38fdb095d2",
    "event_type": "RECORD_FILE_COMPLETE",
    "publish_domain": "push.example.com",
    "app": "live",
    "stream": "mystream",
    "record_format": "HLS",
    "download_url": "https://obs.example.com/live/record.m3u8",
    "asset_id": "1a0d8e9bfae000000be5021e62aa1e96",
    "play_url": "https://vod.example.com/asset/record.m3u8",
    "file_size": 3957964,
    "record_duration": 120,
    "start_time": "2020-03-08T14:10:25Z",
    "end_time": "2020-03-08T14:12:25Z",
    "width": 1280,
    "height": 720,
    "obs_location": "https://obs.example.com",
    "obs_bucket": "mybucket",
    "obs_object": "live/record.m3u8",
}
STARTED: dict[str, Any] = {
    "project_id": "70b76000000034253880af501cd00000",
    "event_type": "RECORD_START",
    "publish_domain": "push.example.com",
    "app": "live",
    "stream": "mystream",
    "record_format": "HLS",
}


def by_formula(formula: str, said: dict[str, Any], timestamp: str, key: str) -> str:
    if formula == "md5":
        return hashlib.md5((key + timestamp).encode()).hexdigest()
    if formula == "timestamp":
        return hmac.new(key.encode(), (key + timestamp).encode(), hashlib.sha256).hexdigest()
    message = timestamp
    for name in ("event_type", "publish_domain", "app", "stream", "download_url", "play_url"):
        message += said.get(name) or ""
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


class Live:
    """What the tests of this room do again and again."""

    key = KEY
    other_key = OTHER_KEY
    finished = FINISHED
    started = STARTED
    now = NOW
    now_seconds = NOW_SECONDS
    by_formula = staticmethod(by_formula)

    def source(self, **options: Any) -> HuaweiLive:
        usual: dict[str, Any] = {"domains": [FINISHED["publish_domain"]], "apps": [FINISHED["app"]]}
        if options.get("sign_type") != "none":
            usual["keys"] = [KEY]
        return HuaweiLive("live", HuaweiLive.Options.model_validate(usual | options))

    def signed(
        self,
        said: dict[str, Any] = FINISHED,
        *,
        formula: str = "fields",
        expires: int = NOW_SECONDS + 600,
        key: str = KEY,
        **changes: Any,
    ) -> dict[str, Any]:
        """These fields, changed and then signed."""
        said = {**said, **changes}
        return {**said, "auth_timestamp": str(expires), "auth_sign": by_formula(formula, said, str(expires), key)}

    def received(self, said: dict[str, Any] | bytes, **request: Any) -> Callback:
        return callback(said, **request)

    def verify(self, source: HuaweiLive, said: dict[str, Any], **request: Any) -> Verified:
        return source.verify(callback(said, **request))

    def event(self, source: HuaweiLive, said: dict[str, Any] | bytes, **request: Any) -> Event:
        received = callback(said, **request)
        (event,) = source.normalise(received, source.verify(received))
        return event


@pytest.fixture(scope="session")
def live() -> Live:
    return Live()


@pytest.fixture(scope="session")
def refusal() -> Callable[[Callable[[], Any]], tuple[str, str]]:
    """The code and text of a refusal; Malformed has the code of its answer."""
    from gateway import Malformed, Untrusted

    def of(act: Callable[[], Any]) -> tuple[str, str]:
        with pytest.raises((Malformed, Untrusted)) as caught:
            act()
        return getattr(caught.value, "code", "malformed_body"), str(caught.value)

    return of


@pytest.fixture(scope="module")
def open_source(live):
    return live.source(sign_type="none")
