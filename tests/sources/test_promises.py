"""The promises of every source, kept by ours in each of its dresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from gateway import Source
from gateway.testing import SourcePromises
from plugins.sources.huawei_live import HuaweiLive
from plugins.sources.huawei_live.push import PUSH_TYPES

KEY = "0123456789abcdef0123456789abcdef"
OLD_KEY = "an-older-key-that-is-still-in-use"


class TestHuaweiLive(SourcePromises):
    signed_fields: ClassVar[Sequence[str]] = (
        "auth_timestamp",
        "event_type",
        "publish_domain",
        "app",
        "stream",
        "download_url",
        "play_url",
    )
    credentials = ("auth_sign", "auth_timestamp")
    secrets = (KEY, OLD_KEY)

    def make_source(self) -> Source:
        return HuaweiLive("live", HuaweiLive.Options.model_validate({"keys": [KEY, OLD_KEY]}))


class TestHuaweiLiveWithThePlayedNames(TestHuaweiLive):
    def make_source(self) -> Source:
        options = {"keys": [KEY, OLD_KEY], "domains": ["push.example.com"], "apps": ["live"]}
        return HuaweiLive("live", HuaweiLive.Options.model_validate(options))


class TestHuaweiLiveWithExactNamesOnly(TestHuaweiLive):
    def make_source(self) -> Source:
        options = {
            "keys": [KEY],
            "sign_type": "hmac-sha256-fields",
            "domains": ["a.example.com"],
            "apps": ["show"],
            "max_validity": "2s",
        }
        return HuaweiLive("live", HuaweiLive.Options.model_validate(options))


class TestHuaweiLiveByItsOlderPage(TestHuaweiLive):
    signed_fields: ClassVar[Sequence[str]] = ("auth_timestamp",)

    def make_source(self) -> Source:
        options = {"keys": [KEY], "sign_type": "HMAC-SHA256-timestamp", "apps": "vip-*"}
        return HuaweiLive("live", HuaweiLive.Options.model_validate(options))


class TestHuaweiLiveByMd5(TestHuaweiLive):
    signed_fields: ClassVar[Sequence[str]] = ("auth_timestamp",)

    def make_source(self) -> Source:
        return HuaweiLive("live", HuaweiLive.Options.model_validate({"keys": [KEY], "sign_type": "MD5"}))


class TestHuaweiLiveWithThePushOfStreams(SourcePromises):
    """The vendor's other callback at the same address, with its own formula and names."""

    signed_fields: ClassVar[Sequence[str]] = ("auth_timestamp", "event", "domain", "app", "stream")
    credentials = ("auth_sign", "auth_timestamp")
    secrets = (KEY, OLD_KEY)

    def make_source(self) -> Source:
        names = {"domains": ["push.example.com"], "apps": ["live"]}
        options = {"keys": [KEY, OLD_KEY], "stream_events": True, **names}
        source = HuaweiLive("live", HuaweiLive.Options.model_validate(options))
        source.scenes = tuple(PUSH_TYPES)  # type: ignore[misc]  # the others are tried above
        return source


def test_a_promise_that_is_broken_is_noticed() -> None:
    """The suite must be able to fail: a source that lets everything pass breaks most of it."""

    class Trusting(HuaweiLive):
        def verify(self, callback):
            from gateway import Trust, Verified

            callback.json()
            return Verified(trust=Trust.BODY, scheme="hope")

        def advice(self) -> tuple[str, ...]:
            return (KEY,)

    class Broken(TestHuaweiLive):
        def make_source(self) -> Source:
            return Trusting("live", HuaweiLive.Options.model_validate({"keys": [KEY]}))

    broken = set()
    for name in [name for name in dir(Broken) if name.startswith("test_")]:
        try:
            getattr(Broken(), name)()
        except AssertionError:
            broken.add(name)
    assert broken == {
        "test_a_callback_without_its_signature_is_refused",
        "test_a_changed_signed_field_is_refused_or_loses_trust",
        "test_a_tampered_callback_is_refused",
        "test_an_expired_callback_is_refused",
        "test_no_credential_is_in_an_error_or_in_advice",
    }


def test_a_source_that_says_body_and_covers_less_is_noticed() -> None:
    """A seal that names nothing, or lets many through, is no answer to a body that anybody may change."""
    from gateway import Seal, Trust, Verified

    for most, digest in ((0, b"x"), (None, b"x"), (2, b"x")):

        class Boasting(HuaweiLive):
            def verify(self, callback):
                super().verify(callback)
                return Verified(trust=Trust.BODY, scheme="hope", seal=Seal(digest=digest, most=most))  # noqa: B023

        class Suite(TestHuaweiLive):
            signed_fields: ClassVar[Sequence[str]] = ()

            def make_source(self) -> Source:
                return Boasting("live", HuaweiLive.Options.model_validate({"keys": [KEY]}))

        with pytest.raises(AssertionError, match="can be changed"):
            Suite().test_a_changed_signed_field_is_refused_or_loses_trust()
