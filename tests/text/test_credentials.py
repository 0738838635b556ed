"""What names a credential, by any usual spelling, is left out of what a vendor said; what only looks like one is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.credential_names import names_credential
from gateway.text.credentials import without_credentials

CREDENTIALS = (
    "stream_key streamKey stream-key stream.key STREAM_KEY streamkey StreamKeys api_key apiKey APIKEY X-Api-Key accessKey "
    "access_key_id secret clientSecret wsSecret txSecret client_secret_value secrets token download_token accessToken "
    "refresh_tokens password userPassword passwd passphrase srt_passphrase srtPassphrase credential credentials cookie "
    "Set-Cookie jwt playback_jwt authorization Authorization Proxy-Authorization auth_sign auth_timestamp sign signature "
    "X-Amz-Signature X-Amz-Credential private_key privateKey key2 token1 auth pwd password_hash api_key_base64 "
    "stream_key_value encryption_key publish_key rtmpKey bearer session_key foo_key pass_word key_material pin_code "
    "recording_play_passcode hmac connection_string drm_key master-key webhookSecret host_key ｔｏｋｅｎ 密码 "
    "foo_key_hex roomKeyValue authcode mfa_code backupCode mnemonic sas blob_sas"
)
HARMLESS = (
    "object_key storageKey s3Key s3_key public_key publicKey public_keys keyframe keyframes key_frame key_frame_interval "
    "keyFrameInterval keyframe_interval monkey turkey hockey donkey keyboard keyword key_words token_count tokens_used "
    "max_tokens total_tokens prompt_tokens token_type token_expires_at author design signal sign_type signature_version "
    "signal_key_frames cookie_policy has_password password_required key_id keyId signing_key_id key_name key_prefix "
    "primary_key sort_key partition_key obs_object file_key secretary passport compass passthrough passenger bypass "
    "tokenizer key_count signed_at assigned resign call_sign hotkey hot_key authority authenticated stream_name session_id "
    "duration obs_bucket thumbnail_key playlist_key number created_at"
)


@pytest.mark.parametrize("name", CREDENTIALS.split())
def test_whatever_spells_a_credential_is_left_out_at_any_depth_and_named(name: str) -> None:
    assert names_credential(name)
    said: dict[str, Any] = {
        name: "s3cr3t",
        "kept": 1,
        "deep": [{"list": [[{name: "s3cr3t", "ok": 2}]]}, {name: ["s3cr3t"]}],
    }
    kept, left_out = without_credentials(said)
    assert kept == {"kept": 1, "deep": [{"list": [[{"ok": 2}]]}, {}]}
    assert left_out == [name, f"deep[0].list[0][0].{name}", f"deep[1].{name}"]


@pytest.mark.parametrize("name", HARMLESS.split())
def test_what_only_looks_like_a_credential_is_kept(name: str) -> None:
    said = {name: "value", "deep": [{name: {"a": ["value"]}}]}
    assert without_credentials(said) == (said, [])


@pytest.mark.parametrize(
    "said",
    [
        {"storage": {"key": "live/a.mp4"}},
        {"object": {"key": "a"}},
        {"objects": [{"key": "a"}]},
        {"s3": {"object": {"key": "a", "size": 5}}},
        {"where": {"bucket": "b", "key": "live/a.mp4"}},
        {"tags": [{"key": "team", "value": "sports"}]},
        {"usage": {"tokens": 5, "cookies": 2}},
        {"password": True, "token": None, "secret": "", "cookies": [], "credentials": {}},
        {"text": "a=b", "more": "x=1&y=2", "odd": "{", "list": "[1]", "base64": "dG9rZW4="},
        {"url": "https://cdn.example.com/a.m3u8?token=x"},
        {"why": "token: expired", "more": "password: wrong", "at": "x-ray: 5", "said": '"token"', "quoted": '"'},
        {"methods": ["password", "otp"], "ways": [["a", "b"], ["token", None], ["object_key", "live/a.mp4"]]},
        {"tags": [{"id": "7", "value": "x"}, {"type": "team", "value": "x"}]},
    ],
    ids=str,
)
def test_a_key_of_an_object_and_what_says_nothing_are_kept(said: dict[str, Any]) -> None:
    assert without_credentials(said) == (said, [])


@pytest.mark.parametrize(
    ("said", "left_out"),
    [
        ({"key": "abc"}, ["key"]),
        ({"rtmp": {"url": "rtmp://x", "key": "abc"}}, ["rtmp.key"]),
        ({"storage": {"key": "AK", "secret": "SK", "bucket": "b"}}, ["storage.key", "storage.secret"]),
        ({"headers": [{"name": "Authorization", "value": "Bearer x"}]}, ["headers[0].value"]),
        ({"tags": [{"key": "stream_key", "value": "x"}]}, ["tags[0].value"]),
        ({"args": "txSecret=a&txTime=b"}, ["args"]),
        ({"args": ["?x=1&auth_key=a"]}, ["args[0]"]),
        ({"text": json.dumps({"a": [{"api_key": "x"}]})}, ["text"]),
        ({"text": json.dumps([{"name": "token", "value": "x"}])}, ["text"]),
        ({"text": ' \n{"stream_key": "x"}\t'}, ["text"]),
        ({"text": json.dumps(json.dumps({"stream_key": "x"}))}, ["text"]),
        ({"text": '[["X-Api-Key", "x"], ["a", 1]]'}, ["text"]),
        ({"headers": [["Authorization", "Bearer x"], ["accept", "a"]]}, ["headers[0]"]),
        ({"lines": ["Authorization: Bearer x", "accept: a", "set-cookie: a=b"]}, ["lines[0]", "lines[2]"]),
        (
            {"params": [{"id": "stream_key", "value": "x"}, {"type": "password", "value": "x"}]},
            ["params[0].value", "params[1].value"],
        ),
    ],
    ids=str,
)
def test_its_place_tells_what_a_name_alone_does_not(said: dict[str, Any], left_out: list[str]) -> None:
    assert without_credentials(said)[1] == left_out


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["key", "token", "a", "bucket", "value", "name"]), _values, max_size=5))
def test_what_is_clean_stays_as_it_is(said: dict[str, Any]) -> None:
    kept, _ = without_credentials(said)
    assert without_credentials(kept) == (kept, [])


def test_thousands_of_bare_keys_and_deep_nesting_cost_no_more_than_their_number() -> None:
    asked = 0

    class Counting(dict[str, Any]):
        def __iter__(self) -> Any:
            nonlocal asked
            asked += 1
            return super().__iter__()

    without_credentials(Counting({f"key{n}": n + 2 for n in range(3000)}))
    assert asked < 10
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    assert len(without_credentials({"deep": deep, "text": "[" * 30000 + "]" * 30000})[1]) == 1
