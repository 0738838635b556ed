"""A secret shows itself nowhere."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.fields import MASK, Secret, SecretUrl, secret, secrets_of

CANARY = "canary-in-a-coal-mine-0123456789"


class Holder(BaseModel):
    key: Secret
    more: dict[str, list[Secret]] = {}


@dataclass
class Pair:
    left: Any
    right: Any


def test_no_way_of_looking_at_a_secret_shows_it() -> None:
    it = Secret(CANARY)
    holder = Holder(key=it)
    shown = [
        str(it), repr(it), f"{it}", f"{it:>40}", "{} {!r}".format(*[it, it]), repr([it]), repr(holder), str(holder),
        holder.model_dump_json(), json.dumps(holder.model_dump(mode="json")), repr(holder.model_dump()),
        str(pickle.dumps(it)), str(pickle.dumps(holder)), json.dumps(Holder.model_json_schema()),
    ]  # fmt: skip
    assert all(CANARY not in text for text in shown)
    assert MASK in shown[0]
    with pytest.raises(TypeError):
        vars(it)
    assert it.reveal() == CANARY


def test_a_pickled_secret_comes_back_as_a_mask() -> None:
    assert pickle.loads(pickle.dumps(Secret(CANARY))).reveal() == MASK


def test_copies_are_the_secret_itself() -> None:
    it = Secret(CANARY)
    assert copy.copy(it) is it
    assert copy.deepcopy({"x": it})["x"] is it
    assert Holder(key=it).model_copy(deep=True).key is it


def test_secrets_compare_by_their_text() -> None:
    assert Secret("é") == Secret("é")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize("value", ["", "   ", "\n", "a\x00b", 5, None, ["x"]])
def test_an_empty_secret_is_an_error(value: object) -> None:
    with pytest.raises(ValidationError):
        Holder(key=value)  # type: ignore[arg-type]


def test_a_short_secret_is_an_error_or_advice() -> None:
    adapter = TypeAdapter(Annotated[Secret, secret(min_length=4, advise=8)])
    with pytest.raises(ValidationError) as raised:
        adapter.validate_python("abc")
    assert "at least 4" in raised.value.errors()[0]["msg"]
    assert "shorter than 8" in (adapter.validate_python("abcd").advice or "")
    assert adapter.validate_python("abcdefgh").advice is None
    assert adapter.json_schema()["minLength"] == 4


def test_a_secret_url_is_checked_and_stays_secret() -> None:
    adapter = TypeAdapter(SecretUrl)
    assert adapter.validate_python("https://hook.example/x").reveal() == "https://hook.example/x"
    with pytest.raises(ValidationError) as raised:
        adapter.validate_python(f"gopher://{CANARY}")
    assert CANARY not in raised.value.errors()[0]["msg"]


def test_every_secret_of_a_tree_is_found_with_its_path() -> None:
    holder = Holder.model_validate({"key": "4", "more": {"m": ["5"]}})
    tree = {"a": Pair(Secret("1"), [Secret("2"), (Secret("3"),)]), "b": holder}
    found = {path: one.reveal() for path, one in secrets_of(tree)}
    assert found == {"a.left": "1", "a.right.0": "2", "a.right.1.0": "3", "b.key": "4", "b.more.m.0": "5"}
    assert dict(secrets_of(Pair)) == {}
