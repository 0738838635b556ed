"""The fields of a signature: what is missing, unreadable or of another type lets nobody in."""

from __future__ import annotations

import pytest

from gateway import Trust
from gateway.testing import callback, cases
from tests.sources.vectors import EVERYTHING

# --- what carries the signature


@pytest.mark.parametrize("name", ["auth_sign", "auth_timestamp"])
@pytest.mark.parametrize("value", [..., None, "", True, 1.5, [], ["a"], {}, {"a": 1}], ids=repr)
def test_a_missing_or_unreadable_auth_field_is_a_missing_signature(live, refusal, name, value) -> None:
    said = live.signed()
    said.pop(name)
    if value is not ...:
        said[name] = value
    code, text = refusal(lambda: live.verify(live.source(sign_type=EVERYTHING), said))
    assert code == "signature_missing"
    assert name in text


@pytest.mark.parametrize(
    "value",
    [
        *(" 1", "1 ", "1\n", "1_0", "+1", "-1", "0x10", "1.0", "1e3", "１５８３６７６７４５", "²", "12345678901"),
        *(-1, 10**10, 1.0, True),
    ],
    ids=repr,
)
def test_a_timestamp_is_one_to_ten_decimal_digits_and_nothing_else(live, refusal, value) -> None:
    said = {**live.signed(), "auth_timestamp": value}
    said["auth_sign"] = live.by_formula("md5", said, str(value), live.key)
    code, _ = refusal(lambda: live.verify(live.source(sign_type="md5"), said))
    assert code == "signature_missing"


@pytest.mark.parametrize(
    "value",
    ["é" * 64, "K" * 64, "0" * 63, "0" * 65, "0" * 33, "zz" * 32, "00 " * 21 + "0", "0" * 64 + "\n", "٠" * 64],
    ids=ascii,
)
def test_a_signature_is_32_or_64_hexadecimal_digits_and_nothing_else(live, refusal, value) -> None:
    code, text = refusal(lambda: live.verify(live.source(sign_type=EVERYTHING), {**live.signed(), "auth_sign": value}))
    assert code == "signature_mismatch"
    assert "hexadecimal" in text
    assert value not in text


def test_white_space_around_a_right_signature_does_not_pass(live, refusal) -> None:
    said = live.signed()
    for dressed in (
        f" {said['auth_sign']}",
        f"{said['auth_sign']}\n",
        said["auth_sign"][:32] + " " + said["auth_sign"][32:],
    ):
        code, _ = refusal(lambda dressed=dressed: live.verify(live.source(), {**said, "auth_sign": dressed}))
        assert code == "signature_mismatch"


@pytest.mark.parametrize("case", [case for case in cases("sign") if case.id not in {"S09", "S11"}], ids=str)
def test_the_hostile_signatures_are_refused(live, refusal, case) -> None:
    code, _ = refusal(lambda: live.verify(live.source(), live.signed() | case.value))
    answer = "400" if code == "malformed_body" else "401"
    assert answer in case.expected.split("|")


def test_the_callback_of_a_sister_product_is_refused_though_its_types_are_the_same(live, refusal) -> None:
    said = {"event_type": "RECORD_FILE_COMPLETE", "app_id": "a", "room_id": "r", "stream_name": "s"}
    received = callback(said, headers={"X-Rtc-Signature": "00" * 32, "X-Rtc-Timestamp": "1", "X-Rtc-Rand": "2"})
    assert refusal(lambda: live.source().verify(received))[0] == "signature_missing"


# --- the fields verification needs


@pytest.mark.parametrize("name", ["event_type", "publish_domain", "app", "stream"])
@pytest.mark.parametrize("value", [..., None, 5, True, [], {}], ids=repr)
@pytest.mark.parametrize("sign_type", ["hmac-sha256", "md5"])
def test_a_name_that_is_missing_or_no_text_is_malformed(live, refusal, name, value, sign_type) -> None:
    said = live.signed(formula="md5" if sign_type == "md5" else "timestamp")
    said.pop(name)
    if value is not ...:
        said[name] = value
    code, text = refusal(lambda: live.event(live.source(sign_type=sign_type), said))
    assert code == "malformed_body"
    assert name in text


@pytest.mark.parametrize("name", ["download_url", "play_url"])
@pytest.mark.parametrize("value", [5, True, ["https://a"], {}], ids=repr)
def test_a_url_that_is_no_text_is_malformed_where_the_signature_would_cover_it(live, refusal, name, value) -> None:
    said = live.signed() | {name: value}
    for sign_type in ("hmac-sha256", "hmac-sha256-fields"):
        code, text = refusal(lambda sign_type=sign_type: live.verify(live.source(sign_type=sign_type), said))
        assert code == "malformed_body"
        assert name in text


def test_a_url_that_is_no_text_is_a_problem_where_another_formula_fits(live) -> None:
    """A verified callback is never refused for a field that verification and identity do not need."""
    for formula in ("timestamp", "md5"):
        event = live.event(
            live.source(sign_type=EVERYTHING), live.signed(formula=formula, download_url="") | {"download_url": 5}
        )
        assert event.trust is Trust.TIMESTAMP
        assert event.problems == ("download_url",)
        assert event.extra == {"download_url": 5}
