"""RFC 9421: what of a header is signed, and what around it is not."""

from __future__ import annotations

import pytest

from gateway.signing.message_components import SignedRequest, signature_base
from gateway.signing.structured_fields import InnerList, parse_dictionary


@pytest.mark.parametrize(
    ("value", "signed"),
    [
        (" \ta b\t ", "a b"),
        ("a\r\n b", "a b"),
        ("a \n\t b", "a b"),
        ("a\xa0", None),  # not ASCII, and no white space of a header's
        ("\x85a", None),
        ("a\x85b", None),
        ("a\u2028b", None),
        ("a\n", None),
        ("\na", None),
        ("a\nb", None),
        ("a\x0bb", None),
        ("a\x1c", None),
    ],
)
def test_white_space_of_a_header_is_blanks_tabs_and_a_folded_line(value: str, signed: str | None) -> None:
    request = SignedRequest("POST", None, [("X-Odd", value)])
    covered = parse_dictionary('a=("x-odd")')["a"]
    assert isinstance(covered, InnerList)
    if signed is None:
        with pytest.raises(ValueError, match=r"control characters|is not ASCII"):
            signature_base(request, covered)
    else:
        assert signature_base(request, covered).decode().splitlines()[0] == f'"x-odd": {signed}'
