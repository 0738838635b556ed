"""The options of a forward: each mistake is located and explained without its value, and advice is given where it is due."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway import Http
from plugins.sinks.forward import Forward, ForwardOptions
from tests.sinks.test_forward import AFRESH, GITHUB, NEW, OLD, SIGN

SIGV4 = {
    "scheme": "sigv4",
    "access_key": "AKIDEXAMPLE",
    "secret_key": "a-secret-key-0123456789",
    "region": "r",
    "service": "s",
}
OAUTH2 = {"scheme": "oauth2", "token_url": "https://x/", "client_id": "me", "client_secret": "a-client-secret-012345"}


@pytest.mark.parametrize(
    ("options", "where", "words"),
    [
        ({"url": "ftp://x/"}, "url", "http://"),
        ({"url": "http://user:CANARY@x/"}, "url", "header"),
        ({"sign": {"secrets": []}}, "sign.standard-webhooks.secrets", "one to eight secrets"),
        ({"sign": {"secrets": ["whsec_CANARYshort"]}}, "sign.standard-webhooks.secrets.0", "24 bytes"),
        ({"sign": {"secrets": ["CANARY not base64!"]}}, "sign.standard-webhooks.secrets.0", "base64"),
        ({"sign": {"scheme": "other", "secrets": [OLD]}}, "sign", "a `scheme`: standard-webhooks, github, huawei-live"),
        ({"headers": {"x a": "CANARY"}}, "headers.x a.[key]", "letters, digits and hyphens"),
        ({"headers": {"Webhook-Id": "CANARY"}}, "headers.Webhook-Id.[key]", "does not set itself"),
        ({"headers": {"Content-Length": "CANARY"}}, "headers.Content-Length.[key]", "does not set itself"),
        ({"headers": {"x-a": "CANARY\r\nx-b: 1"}}, "headers.x-a", "on one line"),
        ({"headers": {"x-a": ""}}, "headers.x-a", "not empty"),
        ({"headers": {"x-a": "CANARY1", "X-A": "CANARY2"}}, "", "each header once"),
        ({"proxy": "CANARY"}, "proxy", "proxy such as"),
        ({"proxy": "http://x:99999999"}, "proxy", "proxy such as"),
        ({"retry_statuses": [200]}, "retry_statuses.0", "greater than or equal to 300"),
        ({"retry_statuses": [404], "permanent_statuses": [404, 405]}, "", "404 is in retry_statuses"),
        ({"key": "key.pem"}, "", "a certificate beside the key"),
        ({"body": "xml"}, "body", "'event', 'binary', 'raw' or 'huawei-live'"),
        ({"sign": "CANARY"}, "sign", "a `scheme`"),
        ({"sign": {"secret": "CANARY"}}, "sign", "a `scheme`"),
        ({"sign": {"scheme": "none"}}, "sign", "a `scheme`"),
        ({"sign": {"scheme": "many"}}, "sign", "a `scheme`"),
        ({"sign": {"scheme": ["CANARY"]}}, "sign", "a `scheme`"),
        ({"sign": []}, "", "at least one signature"),
        ({"sign": [SIGV4, OAUTH2]}, "", "one thing that sets Authorization, not sigv4 and oauth2"),
        ({"sign": SIGV4, "headers": {"authorization": "CANARY"}}, "", "not sigv4 and the header Authorization"),
        ({"sign": {**SIGV4, "region": "CANARY x"}}, "sign.sigv4.region", "without spaces"),
        ({"sign": {**SIGV4, "region": "a/CANARY"}}, "sign.sigv4", "`region` without spaces, slashes"),
        ({"sign": {**SIGV4, "session_token": "CANARY x"}}, "sign.sigv4", "`session_token` without spaces"),
        ({"sign": [{"secrets": [OLD]}, {"secrets": [NEW]}]}, "", "each scheme once"),
        ({"sign": [{"scheme": "CANARY"}]}, "sign.many.0", "a `scheme`"),
        ({"sign": {"scheme": "github", "secret": "CANARY"}}, "sign.github.secret", "at least 16 characters"),
        ({"sign": {"secrets": ["whsk_CANARY"]}}, "sign.standard-webhooks.secrets.0", "whsk_"),
        ({"sign": {"secrets": ["whpk_CANARY"]}}, "sign.standard-webhooks.secrets.0", "public one"),
        ({"sign": AFRESH}, "", "body: huawei-live beside"),
        ({"body": "huawei-live"}, "", "scheme: huawei-live, key"),
        ({"body": "huawei-live", "sign": {"secrets": [OLD]}}, "", "scheme: huawei-live, key"),
        ({"body": "huawei-live", "sign": {**AFRESH, "sign_type": "none"}}, "sign.huawei-live.sign_type", "one of hmac"),
        ({"body": "huawei-live", "sign": {**AFRESH, "sign_type": "sha1"}}, "sign.huawei-live.sign_type", "one of hmac"),
        ({"body": "huawei-live", "sign": {**AFRESH, "validity": "2d"}}, "sign.huawei-live.validity", "at most 1d"),
        ({"content_type": "CANARY"}, "content_type", "a media type"),
        ({"content_type": "a/b\r\nx: CANARY"}, "content_type", "a media type"),
        ({"content_type": "a/b", "headers": {"content-type": "a/b"}}, "", "not both"),
        ({"headers": {"ce-id": "CANARY"}}, "headers.ce-id.[key]", "does not set itself"),
        ({"headers": {"X-Hub-Signature-256": "CANARY"}}, "headers.X-Hub-Signature-256.[key]", "does not set itself"),
        ({"url": "https://x/", "uds": "/run/app.sock"}, "", "an http URL and no proxy"),
        ({"proxy": "http://x:1", "uds": "/run/app.sock"}, "", "an http URL and no proxy"),
        ({"allow_private": False, "uds": "/run/app.sock"}, "", "no address to judge"),
        ({"uds": "/" + "x" * 107}, "", "at most 107 bytes"),
    ],
)
def test_a_wrong_option_is_located_and_explained_without_its_value(
    options: dict[str, Any], where: str, words: str
) -> None:
    with pytest.raises(ValidationError) as wrong:
        ForwardOptions.model_validate({"url": "http://127.0.0.1:9/", **options})
    [problem] = wrong.value.errors(include_input=False)
    assert ".".join(map(str, problem["loc"])) == where
    assert words in problem["msg"]
    assert "CANARY" not in problem["msg"]


def test_paths_are_beside_the_configuration_file(tmp_path: Path) -> None:
    options = ForwardOptions.model_validate(
        {"url": "https://x/", "ca": "ca.pem", "certificate": "c.pem", "key": "k.pem"}, context={"base": tmp_path}
    )
    assert (options.ca, options.certificate, options.key) == (
        tmp_path / "ca.pem",
        tmp_path / "c.pem",
        tmp_path / "k.pem",
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "http://127.0.0.1:9/"}, []),
        ({"url": "http://localhost:9/"}, []),
        ({"url": "http://app.localhost/"}, []),
        ({"url": "http://[::1]:9/"}, []),
        ({"url": "https://app.example/", "sign": SIGN}, []),
        ({"url": "https://app.example/"}, ["without `sign`"]),
        ({"url": "http://app.example/"}, ["without `sign`", "plain http"]),
        ({"url": "https://app.example/", "sign": SIGN, "verify": False}, ["verify: false"]),
        ({"url": "http://127.0.0.1:9/", "allow_private": False}, ["refuses every delivery"]),
        ({"url": "http://app.example/", "uds": "/run/app.sock"}, []),
        ({"url": "https://app.example/", "sign": GITHUB}, ["signs no time"]),
        ({"url": "https://app.example/", "sign": [GITHUB, SIGN]}, []),
        (
            {"url": "https://app.example/", "sign": {"scheme": "rfc9421", "key": OLD, "components": ["@method"]}},
            ["leaves the body unsigned"],
        ),
        ({"url": "https://app.example/", "body": "huawei-live", "sign": AFRESH}, []),
        (
            {"url": "https://app.example/", "body": "huawei-live", "sign": {**AFRESH, "sign_type": "md5"}},
            ["only an expiry"],
        ),
        ({"url": "https://8.8.8.8/", "sign": SIGN, "allow_private": False}, []),
        ({"url": "https://app.example/", "sign": SIGN, "allow_private": False}, []),
    ],
)
def test_advice_names_what_a_reviewer_would(options: dict[str, Any], words: list[str]) -> None:
    sink = Forward("app", ForwardOptions.model_validate(options), http=Http(), log=None)  # type: ignore[arg-type]
    advice = sink.advice()
    assert len(advice) == len(words)
    assert all(word in line for word, line in zip(words, advice, strict=True))
