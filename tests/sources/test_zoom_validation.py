"""Zoom's question whether the address is ours: answered after its signature, and never in a way that signs for somebody."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from gateway import Callback, Untrusted
from gateway.testing import NOW, callback
from tests.sources.vendors import KEY, OLD_KEY, make

AT = int(NOW.timestamp())


def question(plain: Any, key: str | None = KEY, **more: Any) -> Callback:
    body = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": plain}, **more}).encode()
    headers = {"x-zm-request-timestamp": str(AT)}
    if key is not None:
        headers["x-zm-signature"] = "v0=" + hmac.new(key.encode(), b"v0:%d:%b" % (AT, body), hashlib.sha256).hexdigest()
    return callback(body, headers=headers)


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
def test_the_answer_is_made_with_the_key_that_signed_the_question(key: str) -> None:
    source = make("zoom")
    asked = question("qgg8vlvZRS6UYooatFL8Aw", key)
    events = source.normalise(asked, source.verify(asked))
    answer = source.acknowledge(asked, events)
    assert events == ()
    assert answer is not None
    assert (answer.status, answer.media_type) == (200, "application/json")
    assert json.loads(answer.body) == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": hmac.new(key.encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest(),
    }


@pytest.mark.parametrize("key", [None, "a-key-that-nobody-configured"])
def test_a_question_without_a_good_signature_is_refused(key: str | None) -> None:
    with pytest.raises(Untrusted):
        make("zoom").verify(question("token", key))


@pytest.mark.parametrize(
    "plain", [f'v0:{AT}:{{"event":"recording.completed"}}', "a:b", "", None, 5, ["x"], "x" * 257, "é"]
)
def test_what_is_no_plain_token_is_never_signed(plain: Any) -> None:
    source = make("zoom")
    asked = question(plain)
    source.verify(asked)
    assert source.acknowledge(asked, ()) is None


def test_other_callbacks_get_the_usual_answer() -> None:
    source = make("zoom")
    assert source.acknowledge(question("token", event="recording.completed"), ()) is None
    assert source.acknowledge(question("token", payload=[]), ()) is None


@pytest.mark.parametrize("key", [None, "a-key-that-nobody-configured"])
def test_the_answer_signs_nothing_for_a_question_that_nobody_signed_whoever_asks_for_it(key: str | None) -> None:
    """Also where `verify` was not asked before."""
    try:
        answer = make("zoom").acknowledge(question("token", key), ())
    except Untrusted:
        return
    assert answer is None
