"""Whatever a source raises, and whatever it does with what it returned, its caller is answered, and so are all others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import Malformed, Untrusted
from gateway.intake.intake import LARGE_BODY_BYTES
from gateway.model import Event, Trust, Verified, event_id
from gateway.plugin import Callback, Source
from gateway.testing import running
from tests.patience import PATIENCE_S

CONFIG = {
    "sources": {"live": {"type": "odd"}},
    "sinks": {"app": {"type": "recorder"}},
    "routes": [{"to": ["app"]}],
}
TOGETHER = 6


class Panic(BaseException):
    """What a library written in Rust raises."""


class Unfinished(Untrusted):
    """Has none of what an Untrusted has."""

    def __init__(self) -> None:
        pass


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


RAISED: dict[str, Callable[[], BaseException]] = {
    "panic": Panic,
    "group": lambda: BaseExceptionGroup("several", [Panic()]),
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "cancelled": asyncio.CancelledError,
    "generator exit": GeneratorExit,
    "stop": StopIteration,
    "memory": MemoryError,
    "recursion": RecursionError,
    "unspeakable": Unspeakable,
    "no code": Unfinished,
    "an exception as a detail": lambda: Untrusted("signature_mismatch", ValueError("x")),  # type: ignore[arg-type]
    "a list as a code": lambda: Untrusted(["x"], "x"),  # type: ignore[arg-type]
    "no text as a code": lambda: Untrusted("\ud800", "x"),  # type: ignore[arg-type]
    "nothing said": lambda: Untrusted(None, None),  # type: ignore[arg-type]
    "malformed by an exception": lambda: Malformed(ValueError("x")),  # type: ignore[arg-type]
    "malformed by bytes": lambda: Malformed(b"x"),  # type: ignore[arg-type]
}


class Odd(Source):
    """Raises in the step that a callback names."""

    type = "odd"
    list_of_its_own: list[Event] = []
    extra_of_its_own: dict[str, Any] = {}

    def verify(self, callback: Callback) -> Verified:
        said = json.loads(callback.body)
        self.fail("verify", said)
        return Verified(**{"trust": Trust.BODY, "scheme": "odd", **said.get("verified", {})})

    def normalise(self, callback: Callback, verified: Verified) -> list[Event]:
        said = json.loads(callback.body)
        self.fail("normalise", said)
        if said.get("ignored"):
            return []
        name = said["name"]
        self.extra_of_its_own["name"] = {"in": [name]}
        self.list_of_its_own[:] = [
            Event(
                id=event_id(self.name, "recording.started", None, None, name, None, [name]),
                type="recording.started",
                source=self.name,
                provider="odd",
                stream=name,
                received_at=callback.received_at,
                trust=verified.trust,
                extra=self.extra_of_its_own,
            )
        ]
        return self.list_of_its_own

    def vendor_type(self, callback: Callback) -> str:
        said = json.loads(callback.body)
        self.fail("vendor_type", said)
        return str(said.get("type", ""))

    def acknowledge(self, callback: Callback, events: Any) -> None:
        self.fail("acknowledge", json.loads(callback.body))

    def fail(self, step: str, said: Any) -> None:
        if said.get("step") == step:
            raise RAISED[said["raises"]]()


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("step", ["verify", "normalise", "acknowledge", "vendor_type"])
async def test_whatever_a_source_raises_its_caller_and_all_that_came_with_it_are_answered(
    step: str, large: bool
) -> None:
    async with running(CONFIG, plugins=[Odd]) as gateway:
        for raises in RAISED:
            bad: dict[str, Any] = {"name": f"{raises}!", "step": step, "raises": raises}
            bad |= {"ignored": True} if step == "vendor_type" else {}
            bad |= {"fill": "x" * LARGE_BODY_BYTES} if large else {}
            bodies = [{"name": f"{raises} {n}"} for n in range(TOGETHER)]
            bodies.insert(TOGETHER // 2, bad)
            async with asyncio.timeout(PATIENCE_S):
                answers = await asyncio.gather(
                    *[gateway.post(json.dumps(body).encode(), settle=False) for body in bodies]
                )
            found = [answer.status for answer in answers]
            its_own = found.pop(TOGETHER // 2)
            assert found == [200] * TOGETHER, raises
            wanted = {200} if step in ("acknowledge", "vendor_type") else {500}
            assert its_own in wanted, raises
        await gateway.settle()
        assert {event.stream for event in gateway.delivered("app")} >= {
            f"{raises} {n}" for raises in RAISED for n in range(TOGETHER)
        }
        with gateway._admin() as admin:
            refused = {row.refusal.code for row in admin.refused()}
        assert refused == (set() if wanted == {200} else {"source_failed"})


async def test_what_a_source_does_with_its_own_list_and_mapping_later_changes_no_event() -> None:
    async with running(CONFIG, plugins=[Odd]) as gateway:
        await asyncio.gather(
            *[gateway.post(json.dumps({"name": f"s{n}"}).encode(), settle=False) for n in range(TOGETHER)]
        )
        await gateway.settle()
        found = {event.stream: event.extra for event in gateway.delivered("app")}
        assert found == {f"s{n}": {"name": {"in": [f"s{n}"]}} for n in range(TOGETHER)}


@pytest.mark.parametrize(
    "verified",
    [{"scheme": 5}, {"scheme": "\ud800"}, {"scheme": "a\nb"}, {"scheme": None}, {"trust": "body"}, {"key": "\ud800"}],
    ids=repr,
)
async def test_a_verdict_of_anything_else_lets_nobody_in(verified: dict[str, Any]) -> None:
    async with running(CONFIG, plugins=[Odd]) as gateway:
        answer = await gateway.post(json.dumps({"name": "s", "verified": verified}).encode())
        assert (answer.status, answer.json()["code"]) == (500, "source_failed")
        assert gateway.events() == []


class Quoting(Odd):
    """Says what it stumbled over."""

    type = "quoting"

    def fail(self, step: str, said: Any) -> None:
        if said.get("step") == step:
            try:
                raise KeyError(said["phone"])
            except KeyError as error:
                raise Panic(f"no such phone: {said['phone']}") from error


@pytest.mark.parametrize("step", ["verify", "normalise", "acknowledge", "vendor_type"])
@pytest.mark.parametrize("redact", [True, False])
async def test_what_a_source_raises_quotes_nothing_of_what_is_redacted(
    step: str, redact: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = {"redact": ["$.data.extra..phone"]} if redact else {}
    config = {**CONFIG, "sources": {"live": {"type": "quoting", **rules}}}
    async with running(config, plugins=[Quoting]) as gateway:
        body = {"name": "s", "step": step, "phone": "+351 555 0199", "ignored": step == "vendor_type"}
        await gateway.post(json.dumps(body).encode())
    said = "".join(capsys.readouterr())
    assert "source_failed" in said
    assert "Panic" in said
    assert ("+351 555 0199" in said) is not redact
