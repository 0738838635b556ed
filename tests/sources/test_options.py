"""What the options accept, and what is said about a choice of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pydantic import ValidationError

from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions

KEY = "0123456789abcdef0123456789abcdef"
EXACT = {"keys": [KEY], "sign_type": "hmac-sha256-fields", "domains": ["push.example.com"], "apps": ["live"]}


def complaint(**options) -> tuple[str, str]:
    """Where and what the one error is."""
    with pytest.raises(ValidationError) as caught:
        HuaweiLiveOptions.model_validate(options)
    (error,) = caught.value.errors(include_input=False, include_url=False)
    return ".".join(map(str, error["loc"])), error["msg"]


def advice(**options) -> str:
    return "\n".join(HuaweiLive("live", HuaweiLiveOptions.model_validate(EXACT | options)).advice())


def test_a_key_is_all_that_has_to_be_said() -> None:
    options = HuaweiLiveOptions.model_validate({"keys": [KEY]})
    assert options.sign_type == ("hmac-sha256-fields", "hmac-sha256-timestamp")
    assert (options.domains, options.apps) == ((), ())
    assert (options.clock_skew, options.max_validity) == (timedelta(), timedelta(hours=24))
    assert options.url_rules is True
    assert options.max_bodies_per_signature is None


@pytest.mark.parametrize(
    ("sign_type", "schemes"),
    [
        ("hmac-sha256", ("hmac-sha256-fields", "hmac-sha256-timestamp")),
        ("HMACSHA256", ("hmac-sha256-fields", "hmac-sha256-timestamp")),
        ("HmacSHA256-Fields", ("hmac-sha256-fields",)),
        ("hmacsha256timestamp", ("hmac-sha256-timestamp",)),
        ("MD5", ("md5",)),
        (["md5", "hmac-sha256"], ("hmac-sha256-fields", "hmac-sha256-timestamp", "md5")),
        (["hmac-sha256", "hmac-sha256-fields"], ("hmac-sha256-fields", "hmac-sha256-timestamp")),
    ],
    ids=str,
)
def test_the_vendors_spellings_name_schemes_the_strongest_first(sign_type, schemes) -> None:
    options = HuaweiLiveOptions.model_validate({"keys": [KEY], "sign_type": sign_type})
    assert options.sign_type == schemes
    assert HuaweiLiveOptions.model_validate({"keys": [KEY], "sign_type": options.sign_type}) == options


@pytest.mark.parametrize("spelling", ["none", "NONE", ["None"]], ids=str)
def test_none_needs_no_key(spelling) -> None:
    assert HuaweiLiveOptions.model_validate({"sign_type": spelling}).sign_type == ("none",)


@pytest.mark.parametrize(
    ("options", "where", "what"),
    [
        ({}, "keys", "at least one key"),
        ({"keys": []}, "keys", "at least one key"),
        ({"keys": [""]}, "keys.0", "not empty"),
        ({"keys": [" \n"]}, "keys.0", "not empty"),
        ({"keys": ["x" * 15]}, "keys.0", "at least 16 characters"),
        ({"keys": [KEY, "x" * 15]}, "keys.1", "at least 16 characters"),
        ({"keys": [KEY], "sign_type": "none"}, "keys", "take out the one or the other"),
        ({"keys": [KEY], "sign_type": "sha256"}, "sign_type", "one of hmac-sha256, hmac-sha256-fields,"),
        ({"keys": [KEY], "sign_type": []}, "sign_type", "at least one"),
        ({"keys": [KEY], "sign_type": ["none", "md5"]}, "sign_type", "every unsigned callback would pass"),
        ({"keys": [KEY], "apps": [""]}, "apps.0", "1 to 256"),
        ({"keys": [KEY], "max_validity": "0s"}, "max_validity", "at least 1s"),
        ({"keys": [KEY], "clock_skew": "2d"}, "clock_skew", "at most 1d"),
        ({"keys": [KEY], "max_bodies_per_signature": -1}, "max_bodies_per_signature", "greater than or equal to 0"),
        ({"keys": [KEY], "key": KEY}, "key", "not permitted"),
    ],
    ids=str,
)
def test_a_mistake_is_told_where_it_is(options, where, what) -> None:
    found = complaint(**options)
    assert found[0] == where
    assert what in found[1]


def test_no_error_shows_a_key() -> None:
    for options in ({"keys": ["canary-canary"]}, {"keys": ["canary-canary-canary"], "sign_type": "none"}):
        assert "canary" not in " ".join(complaint(**options))


def test_the_texts_of_a_configuration_file_are_read_by_their_type() -> None:
    options = HuaweiLiveOptions.model_validate(
        {"keys": KEY, "apps": "live", "url_rules": "off", "max_bodies_per_signature": "32", "clock_skew": "5s"}
    )
    assert [key.reveal() for key in options.keys] == [KEY]
    assert (options.apps, options.url_rules, options.max_bodies_per_signature) == (("live",), False, 32)
    for word, on in {"on": True, "off": False, "true": True, "false": False}.items():
        assert HuaweiLiveOptions.model_validate({"keys": KEY, "url_rules": word}).url_rules is on


def test_the_schema_for_editors_describes_every_option_and_shows_no_secret() -> None:
    schema = HuaweiLiveOptions.model_json_schema()
    assert all("description" in option for option in schema["properties"].values())
    assert "hmac-sha256" in json.dumps(schema["properties"]["sign_type"])
    assert schema["additionalProperties"] is False


# --- advice


def test_the_tightest_choice_needs_no_advice() -> None:
    assert advice() == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"domains": []}, "domains is empty"),
        ({"apps": []}, "apps is empty"),
        ({"apps": ["live", "vip-*"]}, "apps holds the glob 'vip-*'"),
        ({"domains": ["push?.example.com"]}, "domains holds the glob"),
        ({"sign_type": "hmac-sha256"}, "also accepts hmac-sha256-timestamp"),
        ({"sign_type": "hmac-sha256-timestamp"}, "covers only an expiry"),
        ({"sign_type": "md5"}, "covers only an expiry"),
        ({"sign_type": "none", "keys": []}, "lets anybody"),
        ({"url_rules": False}, "url_rules"),
        ({"keys": [KEY, "x" * 32, KEY]}, "keys[2] is the same as keys[0]"),
        ({"keys": [KEY + " "]}, "white space"),
        ({"apps": ["live", "live2"]}, "push.example.com/live and push.example.com/live2"),
        ({"domains": ["a.example", "a.examplex"], "apps": ["xy", "y"]}, "a.example/xy and a.examplex/y"),
    ],
    ids=str,
)
def test_a_choice_that_lets_more_through_is_told(options, words) -> None:
    assert words in advice(**options)
    assert KEY not in advice(**options)


@pytest.mark.parametrize(
    "domain",
    ["https://push.example.com", "push.example.com/", "Push.example.com", "push example.com", "“push.example.com”"],
)
def test_a_domain_that_no_vendor_says_is_told_of(domain: str) -> None:
    assert "domains[1] fits no domain as the vendor names it" in advice(domains=["push.example.com", domain])


def test_names_that_do_not_begin_alike_need_no_advice() -> None:
    assert advice(domains=["a.example", "b.example"], apps=["live", "vip"]) == ""


def test_where_no_signature_covers_names_nothing_is_said_about_them() -> None:
    assert "domains" not in advice(sign_type="md5", domains=[])


def test_a_weak_key_is_told_by_its_own_type() -> None:
    options = HuaweiLiveOptions.model_validate({"keys": ["x" * 31, KEY]})
    assert "shorter than 32" in (options.keys[0].advice or "")
    assert options.keys[1].advice is None
