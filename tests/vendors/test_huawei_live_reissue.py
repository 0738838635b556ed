"""A callback signed afresh: the vendor's own formulas, another key, and every other byte as it came."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.testing import callback
from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions
from plugins.vendors.huawei_live.reissue import reissue
from plugins.vendors.huawei_live.signature import FIELDS, MD5, TIMESTAMP

KEY = "the-key-of-the-receiver-0123456789"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXPIRES = int(NOW.timestamp()) + 600
BODY = (
    b'{ "event_type" : "RECORD_FILE_COMPLETE",\n "publish_domain":"push.example.com","app":"live","stream":"\xe7\x9b\xb4-1",'
    b'"auth_sign":"0123", "record_duration": 1.10, "big": 9007199254740993, "escaped": "\\u76f4\\/",'
    b'"download_url":"https://a/b?x=1","play_url":"https://a/p","auth_timestamp" : "1583676745" }\n'
)


def source(scheme: str) -> HuaweiLive:
    return HuaweiLive("behind", HuaweiLiveOptions.model_validate({"keys": [KEY], "sign_type": scheme}))


@pytest.mark.parametrize("scheme", [FIELDS, TIMESTAMP, MD5])
def test_a_receiver_that_was_written_for_the_vendor_verifies_it(scheme: str) -> None:
    made = reissue(BODY, scheme=scheme, key=KEY.encode(), expires=EXPIRES)
    receiver = source(scheme)
    verified = receiver.verify(callback(made, received_at=NOW))
    assert verified.scheme == scheme
    [event] = receiver.normalise(callback(made, received_at=NOW), verified)
    assert event.stream == "直-1"


def test_the_formulas_are_those_of_the_vendors_pages() -> None:
    """Computed here by hand, because the code above is checked by code that shares its formulas."""
    key, moment = KEY.encode(), str(EXPIRES).encode()
    joined = "RECORD_FILE_COMPLETEpush.example.comlive直-1https://a/b?x=1https://a/p".encode()
    wanted = {
        FIELDS: hmac.new(key, moment + joined, hashlib.sha256).hexdigest(),
        TIMESTAMP: hmac.new(key, key + moment, hashlib.sha256).hexdigest(),
        MD5: hashlib.md5(key + moment).hexdigest(),
    }
    for scheme, signature in wanted.items():
        assert json.loads(reissue(BODY, scheme=scheme, key=key, expires=EXPIRES))["auth_sign"] == signature


def test_nothing_but_the_two_fields_changes() -> None:
    made = reissue(BODY, scheme=MD5, key=KEY.encode(), expires=EXPIRES)
    sign = json.loads(made)["auth_sign"].encode()
    assert made == BODY.replace(b'"0123"', b'"%b"' % sign).replace(b"1583676745", b"%d" % EXPIRES)


def test_a_timestamp_that_was_a_number_stays_one_and_one_that_was_not_there_is_added() -> None:
    made = reissue(b'{"event_type":"X","auth_timestamp":5}', scheme=MD5, key=b"k", expires=7)
    assert json.loads(made)["auth_timestamp"] == 7
    assert made.startswith(b'{"event_type":"X","auth_timestamp":7,"auth_sign":"')
    assert set(json.loads(reissue(b" {} ", scheme=MD5, key=b"k", expires=7))) == {"auth_sign", "auth_timestamp"}


@given(
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from(["auth_sign", "auth_timestamp", "stream", "}"]),
        st.recursive(
            st.none() | st.text(max_size=8) | st.integers() | st.floats(allow_nan=False),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        ),
        max_size=6,
    ),
    st.sampled_from([None, 0, 2]),
)
def test_whatever_else_a_callback_holds_survives(said: dict[str, Any], indent: int | None) -> None:
    body = json.dumps(said, indent=indent).encode()
    made = json.loads(reissue(body, scheme=TIMESTAMP, key=b"k", expires=7)) if _joinable(said) else None
    if made is None:
        return
    auth = {"auth_sign", "auth_timestamp"}
    assert {k: v for k, v in made.items() if k not in auth} == {k: v for k, v in said.items() if k not in auth}
    assert str(made["auth_timestamp"]) == "7"


def _joinable(said: dict[str, Any]) -> bool:
    return isinstance(said.get("stream", ""), str | None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a"', b"\xff", b'{"stream": 5}', b'{"a":1,"stream":[1]}'])
def test_what_cannot_be_signed_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        reissue(body, scheme=FIELDS, key=b"k", expires=7)
