"""The options of the confirm sink, and for whose files an operator answers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from plugins.sinks.confirm import ConfirmOptions
from plugins.sinks.holders import holders_of


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"allow": "10.0.0.0/33"}, "a network such as"),
        ({"allow": "localhost"}, "a network such as"),
        ({"confirm": {"allow": "https://d.example.com"}}, "host/bucket"),
        ({"confirm": {"allow": "*.example.com"}}, "host/bucket"),
        ({"confirm": {"allow": "d.example.com/a/b"}}, "host/bucket"),
        ({"confirm": {"allow": ""}}, "host/bucket"),
        ({"missing_after": "-1s"}, "a duration"),
    ],
)
def test_a_mistake_in_the_options_is_said_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ConfirmOptions.model_validate(options)
    assert ConfirmOptions.model_validate({"confirm": {"allow": "D.Example.COM/Bucket"}}).confirm.allow == (
        "d.example.com/Bucket",
    )


def test_who_answers_for_an_address_that_cannot_be_read_is_nobody() -> None:
    assert holders_of("https://[odd/a.mp4") == frozenset()
    assert holders_of("https://[2001:db8::1]:8443/a.mp4") >= {"[2001:db8::1]", "[2001:db8::1]:8443"}
