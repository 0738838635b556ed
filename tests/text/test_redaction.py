"""No loaded secret and no signed URL survives the redactor, whatever spelling it comes back in."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.common_words import COMMON_WORDS
from gateway.text.redaction import (
    MASK,
    PASSING_SECRETS_MAX,
    SECRET_CHARS_MIN,
    Redactor,
    learn_secret,
    redact,
    redact_event,
)

CANARY = "cañary/with+odd chars&\"'<7>"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=SECRET_CHARS_MIN, max_size=40)


def redactor_of(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.learn(secret)
    return redactor


SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "percent": lambda text: quote(text, safe=""),
    "percent, slashes kept": quote,
    "percent, lower hex": lambda text: re.sub(r"%..", lambda found: found[0].lower(), quote(text, safe="")),
    "form": quote_plus,
    "json": lambda text: json.dumps(text)[1:-1],
    "json, letters kept": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json, slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "html": html.escape,
    "repr": lambda text: repr(text)[1:-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_masked_in_every_spelling(spelling: str) -> None:
    spelt = SPELLINGS[spelling](CANARY)
    shown = redactor_of(CANARY).redact(f"before {spelt} after")
    assert spelt not in shown
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "user"])
def test_a_password_inside_basic_credentials_is_masked(user: str) -> None:
    header = base64.b64encode(f"{user}:correct-horse-battery".encode()).decode()
    shown = redactor_of("correct-horse-battery").redact(f"Authorization: Basic {header}")
    assert MASK in shown
    assert b"horse" not in base64.b64decode(shown.removeprefix("Authorization: Basic ").replace(MASK, "") + "===")


@given(TEXTS, st.text(max_size=30), st.text(max_size=30))
def test_whatever_the_secret_is_it_does_not_survive(secret: str, before: str, after: str) -> None:
    secret = secret.strip()
    if (
        len(secret) < SECRET_CHARS_MIN or secret in MASK or secret.lower() in COMMON_WORDS
    ):  # which only a name tells from text
        return
    shown = redactor_of(secret).redact(before + secret + after)
    # What is left may spell the secret only across the mask's own edge, which would need an asterisk in it.
    assert secret not in shown or "*" in secret


@given(st.text())
def test_any_text_can_be_redacted_and_redacting_again_changes_nothing(text: str) -> None:
    redactor = redactor_of("s3cr3t-value")
    once = redactor.redact(text)
    assert redactor.redact(once) == once


def test_short_texts_do_not_shred_every_line() -> None:
    assert redactor_of("", "a", "12345", "   ").redact("a 12345 abc") == "a 12345 abc"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert redactor_of("secret-one", "secret-one-and-more").redact("secret-one-and-more") == MASK


@given(st.lists(st.text("ab", min_size=SECRET_CHARS_MIN, max_size=9), max_size=6), st.text("ab", max_size=40))
def test_looking_for_the_shortest_forms_alone_finds_whatever_holds_them(secrets: list[str], text: str) -> None:
    redactor = redactor_of(*secrets)
    plain = text
    for form in redactor._forms:
        plain = plain.replace(form, MASK)
    assert redactor.redact(text) == plain


def test_the_key_inside_a_marked_secret_is_masked_alone_too() -> None:
    redactor = redactor_of("demo-whsec_QUJDREVGR0g=", "Bearer abcdefghijklmnopqrst")
    assert redactor.redact("key QUJDREVGR0g= token abcdefghijklmnopqrst") == f"key {MASK} token {MASK}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://a.b/c?token=S1&x=S2 failed", f"GET https://a.b/c?token={MASK}&x={MASK} failed"),
        ("https://a.b/c?SECRET", f"https://a.b/c?{MASK}"),
        ("https://a.b/c?", "https://a.b/c?"),
        ("https://user:pw@a.b/c", f"https://{MASK}@a.b/c"),
        ("https://user:p@w@a.b/c", f"https://{MASK}@a.b/c"),
        ("postgresql://u:pw@h/db", f"postgresql://{MASK}@h/db"),
        ("https://a.b/c#access_token=S", f"https://a.b/c#{MASK}"),
        ("https://a.b?x=S#f", f"https://a.b?x={MASK}#{MASK}"),
        ('{"u":"https:\\/\\/a.b\\/c?t=S\\u0026v=S2"}', f'{{"u":"https:\\/\\/a.b\\/c?t={MASK}\\u0026v={MASK}"}}'),
        ("https://a.b/c?a=S&amp;b=S", f"https://a.b/c?a={MASK}&amp;b={MASK}"),
        ("url='https://a.b/c?t=S'", f"url='https://a.b/c?t={MASK}'"),
        ("https://a.b/c?auth[key]=S=S?S", f"https://a.b/c?auth[key]={MASK}"),
        ("at 'https://a.b/c?t=S'T&u=V', then", f"at 'https://a.b/c?t={MASK}&u={MASK}', then"),
        ("https://a.b/c is well?", "https://a.b/c is well?"),
        ("mail: a@b.c, why? #1", "mail: a@b.c, why? #1"),
        ("no url at all", "no url at all"),
    ],
)
def test_what_urls_carry_is_masked_and_where_they_lead_stays(text: str, shown: str) -> None:
    assert Redactor().redact(text) == shown


def test_the_parts_of_a_secret_url_are_masked_one_by_one() -> None:
    redactor = redactor_of("https://bot.example/robot/0123456789abcdef0123?access_token=zyxwvu#fragment-part")
    assert redactor.redact("POST /robot/0123456789abcdef0123?access_token=zyxwvu") == f"POST {MASK}"
    assert redactor.redact("robot 0123456789abcdef0123 says zyxwvu") == f"robot {MASK} says {MASK}"
    assert redactor.redact("bot.example") == "bot.example"


@pytest.mark.parametrize("ampersand", ["&", "&amp;", "\\u0026"])
def test_what_was_added_to_a_secret_url_for_one_request_is_masked_too(ampersand: str) -> None:
    redactor = Redactor()
    redactor.learn("https://oapi.example/robot/send?access_token=0123456789")
    text = f"bad: /robot/send?access_token=0123456789{ampersand}timestamp=17{ampersand}sign=m7ll%2BZDi%3D and a & b"
    assert redactor.redact(text) == f"bad: {MASK}{ampersand}timestamp={MASK}{ampersand}sign={MASK} and a & b"
    assert redactor.redact(redactor.redact(text)) == redactor.redact(text)


def test_a_url_that_cannot_be_read_is_masked_as_a_whole() -> None:
    assert redactor_of("http://[x/SECRET").redact("to http://[x/SECRET now") == f"to {MASK} now"


def test_log_events_are_redacted_at_every_depth() -> None:
    learn_secret("log-canary-1")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    event = redact_event(
        None,
        "info",
        {
            "event": "x log-canary-1",
            "n": 1,
            "ok": True,
            "none": None,
            "f": 1.5,
            "list": ["log-canary-1", {"k log-canary-1": ("log-canary-1",)}],
            "bytes": b"log-canary-1 \xff",
            "error": ValueError("log-canary-1"),
            "at": at,
        },
    )
    assert "log-canary-1" not in repr(event)
    assert event["n"] == 1
    assert event["ok"] is True
    assert event["none"] is None
    assert event["f"] == 1.5
    assert event["bytes"] == f"{MASK} \\xff"
    assert event["at"] == str(at)


def test_a_log_value_that_holds_itself_ends() -> None:
    learn_secret("log-canary-2")
    loop: list[object] = ["log-canary-2"]
    loop.append(loop)
    assert "log-canary-2" not in repr(redact_event(None, "info", {"event": "x", "loop": loop}))


def test_what_was_learnt_twice_is_known_once() -> None:
    learn_secret("same-secret")
    learn_secret("same-secret")
    assert redact("same-secret") == MASK


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.text(st.sampled_from("s3cret-x/?&=@#:'\n h"), max_size=24)
        | st.sampled_from(["s3cret-value", "one\ntwo-lines", "https://h/p?k=v", "https://h/p", "two-lines", "it's"])
        | st.lists(st.sampled_from(["s3cret-value", "plain", "https://u:p@h/"]), max_size=3)
        | st.integers()
        | st.none(),
    )
)
def test_an_event_is_redacted_as_each_of_its_values_would_be(event: dict[str, object]) -> None:
    for secret in ("s3cret-value", "one\ntwo-lines"):
        learn_secret(secret)
    expected = {
        key: redact(value)
        if isinstance(value, str)
        else [redact(item) for item in value]
        if isinstance(value, list)
        else value
        for key, value in event.items()
    }
    assert redact_event(None, "info", dict(event)) == expected


def test_of_passing_secrets_the_last_are_known_and_no_other_is_forgotten() -> None:
    redactor = Redactor()
    redactor.learn("for-ever-0123456789")
    tokens = [f"passing-{number:04}-0123456789" for number in range(PASSING_SECRETS_MAX + 1)]
    redactor.learn_passing("for-ever-0123456789")
    for token in (*tokens, tokens[-1]):
        redactor.learn_passing(token)
    assert redactor.redact(f"{tokens[0]} {tokens[1]} for-ever-0123456789") == f"{tokens[0]} {MASK} {MASK}"
    assert redactor.redact(f"bearer {tokens[-1]}") == f"bearer {MASK}"
