"""The digest of a body: of this body alone, and none that says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.signing.content_digest import content_digest, digest_fits
from tests.signing.test_http_messages import BODY, DIGEST


@given(st.binary(max_size=50))
def test_a_digest_is_of_this_body_alone(body: bytes) -> None:
    assert digest_fits(content_digest(body), body)
    assert not digest_fits(content_digest(body), body + b"x")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sha-256=:",
        "md5=:AA==:",
        "sha-256=x",
        "sha-256=:AA==:",
        f"{DIGEST}, sha-256=:AA==:",
        "sha-256=(:AA==:)",
        "sha-256",
    ],
)
def test_a_digest_that_says_nothing_or_lies_in_part_is_none(header: str) -> None:
    assert digest_fits(DIGEST, BODY)
    assert digest_fits(f"unknown=:AA==:, {DIGEST}", BODY)
    assert not digest_fits(header, BODY)
