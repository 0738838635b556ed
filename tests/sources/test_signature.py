"""Who is let in: the formulas, the keys, the clock, the names."""

from __future__ import annotations

import contextlib
import hmac
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import Malformed, Trust, Untrusted
from gateway.testing import NOW, callback
from plugins.vendors.huawei_live import signature
from tests.sources.vectors import EVERYTHING

TIMESTAMP = 1583676745  # of the vendor's page


VECTORS = {
    "md5": ("fbea60f41db857bbdee04a5127b742fa", "md5", Trust.TIMESTAMP),
    "timestamp": (
        "21626348e89ec05edb350a733eb2f65fd673406029aa2b5bc9688e6e26815b94",
        "hmac-sha256-timestamp",
        Trust.TIMESTAMP,
    ),
    "fields": (
        "7e00818210a8bea953d2f85ea675dc1e8eb94666bc0a5ec38f5cd887e267cf4b",
        "hmac-sha256-fields",
        Trust.FIELDS,
    ),
}


VECTOR = {
    "event_type": "RECORD_FILE_COMPLETE",
    "publish_domain": "push.example.com",
    "app": "live",
    "stream": "mystream",
    "download_url": "https://obs.example/a.m3u8",
}


def at(seconds: float):
    return NOW.fromtimestamp(seconds, NOW.tzinfo)


# --- the formulas


@pytest.mark.parametrize("timestamp", [str(TIMESTAMP), TIMESTAMP], ids=["text", "integer"])
@pytest.mark.parametrize("upper", [False, True], ids=["lower", "upper"])
@pytest.mark.parametrize("formula", VECTORS)
def test_the_known_vectors_pass_in_either_case_and_either_type(live, formula, upper, timestamp) -> None:
    hexadecimal, scheme, trust = VECTORS[formula]
    said = {**VECTOR, "auth_sign": hexadecimal.upper() if upper else hexadecimal, "auth_timestamp": timestamp}
    verified = live.verify(live.source(sign_type=EVERYTHING), said, received_at=at(TIMESTAMP - 60))
    assert (verified.scheme, verified.trust, verified.key) == (scheme, trust, 0)


@pytest.mark.parametrize("formula", VECTORS)
@pytest.mark.parametrize(
    ("sign_type", "accepted"),
    [
        ("hmac-sha256", {"timestamp", "fields"}),
        ("HMACSHA256", {"timestamp", "fields"}),
        ("hmac-sha256-fields", {"fields"}),
        ("HmacSha256Timestamp", {"timestamp"}),
        ("MD5", {"md5"}),
        (["md5", "hmac-sha256-timestamp"], {"md5", "timestamp"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),  # because a set has no order
)
def test_only_the_configured_formulas_are_accepted(live, refusal, formula, sign_type, accepted) -> None:
    source = live.source(sign_type=sign_type)
    said = live.signed(formula=formula)
    if formula in accepted:
        assert live.verify(source, said).scheme == VECTORS[formula][1]
    else:
        code, text = refusal(lambda: live.verify(source, said))
        assert code == "signature_mismatch"
        if formula == "md5":
            assert "MD5" in text


def test_an_absent_an_empty_and_a_null_url_are_the_same_empty_text(live) -> None:
    source = live.source(sign_type="hmac-sha256-fields")
    bare = live.signed(live.started)
    for urls in ({}, {"download_url": "", "play_url": ""}, {"download_url": None, "play_url": None}):
        assert live.verify(source, bare | urls).trust is Trust.FIELDS


def test_text_outside_ascii_is_signed_as_utf_8(live) -> None:
    source = live.source(apps=["演示"])
    assert live.verify(source, live.signed(stream="直播 é 😀", app="演示")).trust is Trust.FIELDS


def test_of_two_formulas_that_fit_the_one_that_covers_more_counts(live, monkeypatch) -> None:
    monkeypatch.setattr(signature, "sign", lambda scheme, key, timestamp, fields: bytes(32))
    source = live.source(sign_type=EVERYTHING)
    verified = live.verify(source, {**live.signed(), "auth_sign": "00" * 32})
    assert (verified.trust, verified.scheme) == (Trust.FIELDS, "hmac-sha256-fields")


# --- the keys


@pytest.mark.parametrize("position", [0, 1, 2])
def test_any_of_several_keys_fits_and_its_position_is_reported(live, position) -> None:
    keys = [live.other_key, "x" * 32, "y" * 32]
    keys[position] = live.key
    assert live.verify(live.source(keys=keys), live.signed()).key == position


def test_a_key_that_is_not_configured_does_not_fit(live, refusal) -> None:
    code, text = refusal(lambda: live.verify(live.source(), live.signed(key=live.other_key)))
    assert code == "signature_mismatch"
    assert live.key not in text


@pytest.mark.parametrize("position", [None, 0, 1, 2])
def test_every_key_and_formula_is_computed_wherever_the_right_one_stands(live, monkeypatch, position) -> None:
    keys = ["w" * 32, "x" * 32, "y" * 32]
    if position is not None:
        keys[position] = live.key
    computed = []
    real = signature.sign
    monkeypatch.setattr(signature, "sign", lambda *asked: computed.append(asked[:2]) or real(*asked))
    source = live.source(keys=keys, sign_type=EVERYTHING)
    try:
        live.verify(source, live.signed())
    except Untrusted:
        assert position is None
    assert sorted(computed) == sorted((scheme, key.encode()) for key in keys for scheme in list(signature.COVERS)[:3])


def test_signatures_are_compared_in_constant_time(live, monkeypatch) -> None:
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append((one, other)) or real(one, other))
    live.verify(live.source(sign_type=EVERYTHING), live.signed())
    assert len(compared) == 3
    assert {type(value) for pair in compared for value in pair} == {bytes}


# --- the clock


@pytest.mark.parametrize("skew", [0, 30])
def test_both_edges_of_the_expiry_are_exact(live, refusal, skew) -> None:
    source = live.source(clock_skew=f"{skew}s")
    edge = live.now_seconds - skew
    assert live.verify(source, live.signed(expires=edge))
    assert live.verify(source, live.signed(expires=edge + 1))
    code, text = refusal(lambda: live.verify(source, live.signed(expires=edge - 1)))
    assert code == "signature_expired"
    assert str(edge - 1) not in text
    late = NOW + timedelta(microseconds=1)
    assert refusal(lambda: live.verify(source, live.signed(expires=edge), received_at=late))[0] == "signature_expired"


def test_both_edges_of_the_validity_are_exact(live, refusal) -> None:
    source = live.source(max_validity="1h")
    edge = live.now_seconds + 3600
    assert live.verify(source, live.signed(expires=edge))
    code, text = refusal(lambda: live.verify(source, live.signed(expires=edge + 1)))
    assert code == "validity_too_long"
    assert "max_validity is 3600 s" in text
    soon = NOW - timedelta(microseconds=1)
    assert refusal(lambda: live.verify(source, live.signed(expires=edge), received_at=soon))[0] == "validity_too_long"


def test_how_long_the_signature_is_still_good_for_is_told(live) -> None:
    """Operators see from it how far `max_validity` can be tightened."""
    for left in (0, 600):
        assert live.verify(live.source(), live.signed(expires=live.now_seconds + left)).validity == left
    assert live.verify(live.source(sign_type="none"), live.finished).validity is None


def test_a_day_is_the_longest_validity_unless_configured(live, refusal) -> None:
    assert live.verify(live.source(), live.signed(expires=live.now_seconds + 86400))
    assert (
        refusal(lambda: live.verify(live.source(), live.signed(expires=live.now_seconds + 86401)))[0]
        == "validity_too_long"
    )


def test_a_wrong_signature_is_told_before_an_old_one(live, refusal) -> None:
    """Otherwise anybody could learn how the clock of the gateway goes."""
    said = live.signed(expires=live.now_seconds - 999, key=live.other_key)
    assert refusal(lambda: live.verify(live.source(), said))[0] == "signature_mismatch"


# --- the names


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({}, True),
        ({"domains": "push.example.com"}, True),
        ({"domains": ["other.example.com", "*.example.com"]}, True),
        ({"domains": "example.com"}, False),
        ({"domains": "PUSH.example.com"}, False),
        ({"domains": "push.example.co?"}, True),
        ({"domains": "push.example.c"}, False),
        ({"apps": ["live", "vip"]}, True),
        ({"apps": "[kl]ive"}, True),
        ({"apps": "liv"}, False),
        ({"apps": "*x*"}, False),
        ({"domains": "push.example.com", "apps": "vip"}, False),
    ],
    ids=str,
)
def test_domains_and_apps_are_globs_over_the_whole_name(live, refusal, options, allowed) -> None:
    source = live.source(**options)
    if allowed:
        assert live.verify(source, live.signed())
    else:
        assert refusal(lambda: live.verify(source, live.signed()))[0] == "domain_not_allowed"


def test_the_names_are_checked_without_a_signature_too(live, refusal) -> None:
    source = live.source(sign_type="none", domains="other.example.com")
    assert refusal(lambda: live.verify(source, live.finished))[0] == "domain_not_allowed"


def test_a_newline_does_not_smuggle_a_name_past_a_glob(live, refusal) -> None:
    source = live.source(apps="live")
    assert refusal(lambda: live.verify(source, live.signed(app="live\n")))[0] == "domain_not_allowed"
    assert live.verify(live.source(apps="live*"), live.signed(app="live\nx"))


# --- without a signature


def test_none_ignores_the_auth_fields_whatever_they_are(live) -> None:
    source = live.source(sign_type="none")
    for auth in ({}, {"auth_sign": ["x"], "auth_timestamp": True}, {"auth_sign": "00", "auth_timestamp": "1"}):
        verified = live.verify(source, live.finished | auth)
        assert (verified.trust, verified.scheme, verified.key, verified.seal) == (Trust.NONE, "none", None, None)


# --- properties

FIELD_NAMES = ["auth_timestamp", *signature.NAMES]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    name=st.sampled_from(FIELD_NAMES),
    value=st.text(max_size=40) | st.integers(0, 2**40) | JSON,
    kind=st.sampled_from(["RECORD_FILE_COMPLETE", "RECORD_START"]),
    url_rules=st.booleans(),
)
def test_no_changed_signed_field_passes(live, name, value, kind, url_rules) -> None:
    before = live.signed(event_type=kind) if kind == "RECORD_FILE_COMPLETE" else live.signed(live.started)
    if str(value) == str(before.get(name)) or (name.endswith("_url") and not value and not before.get(name)):
        return
    try:
        received = callback({**before, name: value})
    except ValueError:
        return  # NaN and lone surrogates: not JSON at all, see test_strictjson
    with pytest.raises((Untrusted, Malformed)):
        live.source(sign_type=EVERYTHING, url_rules=url_rules).verify(received)


@given(
    body=st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from([*FIELD_NAMES, "auth_sign", "job_id", "file_size"]) | st.text(max_size=6), JSON
    ).map(lambda said: json.dumps(said).encode("utf-8", "replace"))
)
def test_no_body_raises_anything_but_a_refusal(live, body) -> None:
    for source in (live.source(sign_type=EVERYTHING), live.source(sign_type="none")):
        received = callback(body)
        with contextlib.suppress(Untrusted, Malformed):
            source.normalise(received, source.verify(received))
