"""What an expression gives for an event whose fields are of other kinds than its author thought."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.owners.owner_key import NoKey, OwnerKey
from gateway.testing import event


@pytest.mark.parametrize(("value", "key"), [("Anna ", "Anna"), (7, "7"), (10**15, str(10**15))])
def test_a_text_and_a_whole_number_are_keys(value: Any, key: str) -> None:
    assert OwnerKey("event.data.extra.owner").key_of(event(extra={"owner": value})) == key


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "the key is true or false, not a text or a whole number"),
        (1.5, "the key is a fraction"),
        (["anna"], "the key is a list"),
        ({"name": "anna"}, "the key is a map"),
        (None, "no such field: owner"),
    ],
)
def test_what_is_no_key_is_called_what_it_is(value: Any, said: str) -> None:
    with pytest.raises(NoKey, match=said):
        OwnerKey("event.data.extra.owner").key_of(event(extra={"owner": value}))
