"""What strangers wrote comes to an assistant as bounded data, without credentials and without unseen letters."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.results import DeliveryDetail
from gateway.cli.assistant.bounded import (
    ITEMS_MAX,
    TEXT_CHARS_MAX,
    TOTAL_CHARS_MAX,
    bounded,
)
from gateway.errors import Ambiguous, StoreBusy, StoreUnavailable
from gateway.text.redaction import MASK
from tests.patience import PATIENCE_S
from tests.web.pages.fixed import Fixed, filled

from .conftest import INJECTION
from .talk import HOSTILE, READING, SIGNED, refused, talking


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "show_event": {"ref": "x"},
    "why_not_delivered": {"ref": "x"},
    "show_delivery": {"id": 1},
    "show_refused": {"id": 1},
    "try_routes": {"event": {}},
}


class Hostile:
    """The admin side with the same text in every field that a stranger, a vendor or a sink may write."""

    def __init__(self, text: str) -> None:
        self._fixed = Fixed(text)

    def __exit__(self, *exc: object) -> None:
        pass

    def delivery(self, id: int) -> Any:
        return filled(DeliveryDetail, HOSTILE, 0)

    def __getattr__(self, name: str) -> Any:
        answer = getattr(self._fixed, name)

        def ask(*arguments: Any) -> Any:
            coroutine = answer(*arguments) if name != "event" else answer(*arguments, whole=True)
            try:
                coroutine.send(None)
            except StopIteration as done:
                return done.value
            raise AssertionError("it waited")

        return ask


@pytest.mark.parametrize("tool", sorted(READING))
async def test_whatever_strangers_write_is_bounded_data_without_credentials_or_unseen_letters(
    configured: Path, tool: str
) -> None:
    async with talking(configured, service=Hostile(HOSTILE)) as client:
        answer = await client.call_tool(tool, dict(ARGUMENTS.get(tool, {})))
    assert set(answer.structured_content) == {"notice", "data"}, answer.structured_content
    texts = list(_texts(answer.structured_content["data"]))
    assert any(INJECTION in text for text in texts)
    for text in texts:
        assert text.isprintable()
        assert len(text) <= TEXT_CHARS_MAX + 40
        assert not {"\u202e", "\u200b", "\ufe0f", "\u3164", "\U000e0101", "\U000e0041"} & set(text)
        assert "deadbeefcafe" not in text
        assert "0123456789abcdef" not in text
    assert len(answer.content[0].text) < 4 * TOTAL_CHARS_MAX  # type: ignore[union-attr]


async def test_a_mistake_of_ours_says_nothing_that_strangers_wrote(configured: Path) -> None:
    class Broken:
        def __exit__(self, *exc: object) -> None:
            pass

        def overview(self, window: str) -> Any:
            raise KeyError(HOSTILE)

    async with talking(configured, service=Broken()) as client:
        error = await refused(client, "status")
    assert error == {"code": "failed", "detail": "KeyError"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Ambiguous("two events begin so", ["a", "b"]), "ambiguous"),
        (StoreUnavailable("the disk is away"), "store_unavailable"),
        (StoreBusy("too much waits"), "store_unavailable"),
    ],
)
async def test_what_the_store_refuses_has_a_code(configured: Path, error: Exception, code: str) -> None:
    class Refusing:
        def __exit__(self, *exc: object) -> None:
            pass

        def overview(self, window: str) -> Any:
            raise error

    async with talking(configured, service=Refusing()) as client:
        assert (await refused(client, "status"))["code"] == code


async def test_what_takes_too_long_is_given_up(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    class Slow:
        def __exit__(self, *exc: object) -> None:
            pass

        def overview(self, window: str) -> Any:
            go_on.wait(PATIENCE_S)

    monkeypatch.setattr("gateway.cli.assistant.assistant_server.ANSWER_SECONDS_MAX", 0.01)
    async with talking(configured, service=Slow()) as client:
        assert await refused(client, "status") == {"code": "took_too_long", "detail": "ask for less"}
        go_on.set()


def test_everything_has_a_bound() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = {"a": [deep]}
    assert "too deep" in json.dumps(bounded(deep))
    items: Any = bounded(list(range(60)))
    assert items[-1] == f"… ({60 - ITEMS_MAX} more)"
    members: Any = bounded({str(n): n for n in range(60)})
    assert len(members) == ITEMS_MAX + 1
    assert bounded("x" * 1000) == "x" * TEXT_CHARS_MAX + "… (1,000 characters)"
    assert sum(map(len, _texts(bounded([["x" * 390] * 50] * 50)))) < TOTAL_CHARS_MAX + 2501 * 30
    assert bounded({"auth_sign": "canary", "n": 1, "url": SIGNED}) == {
        "auth_sign": MASK,
        "n": 1,
        "url": "https://cdn.example.com/a.mp4?"
        + "&".join(f"{name}={MASK}" for name in ("auth_key", "X-Amz-Signature")),
    }
