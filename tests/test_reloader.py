"""A reload is told of everywhere, whatever came of it: in the metrics, in the audit log, as an alarm, and to its caller."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.errors import GatewayError, StoreUnavailable
from gateway.model import RELOAD_REFUSED
from gateway.reload import Reloaded, ReloadRefused
from gateway.reloader import Reloader
from gateway.runtime.clock import FrozenClock
from gateway.runtime.duty import Duties
from gateway.runtime.metrics import Metrics
from gateway.store.admin.audit import Actor, AuditEntry

DONE = Reloaded(sources={"added": ["studio"]}, sinks={}, routes=False)
NOTHING = Reloaded(sources={}, sinks={}, routes=False)
REFUSED = ReloadRefused("restart_needed", "a restart is needed for: store")
MISTAKEN = ConfigError([Diagnostic(file="gateway.yaml", path="sinks.app", found="no such type")])


class House:
    """A reloader whose swap gives, or raises, the next of these; what it told is kept."""

    def __init__(self, *outcomes: Reloaded | Exception, store_error: Exception | None = None) -> None:
        self.metrics = Metrics()
        self.audit: list[tuple[str, int, str]] = []
        self.alarms: list[tuple[str, bool]] = []
        self._outcomes, self._store_error = list(outcomes), store_error
        self.reloader = Reloader(
            self._swap,
            path=Path("gateway.yaml"),
            files=list,
            store=SimpleNamespace(audit=self._audit),  # type: ignore[arg-type]
            alarms=SimpleNamespace(see=self._see),  # type: ignore[arg-type]
            metrics=self.metrics,
            duties=Duties(FrozenClock()),
        )

    async def reload(self) -> Reloaded:
        return await self.reloader.reload(Actor("ana", "here"))

    def counted(self, result: str) -> float:
        return self.metrics.config_reloads.labels(result)._value.get()

    async def _swap(self) -> Reloaded:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _audit(self, entry: AuditEntry, count: int, result: str) -> None:
        if self._store_error is not None:
            raise self._store_error
        self.audit.append((entry.act, count, result))

    def _see(self, type: str, about: str, holds: bool, detail: str = "") -> None:
        assert type == RELOAD_REFUSED
        self.alarms.append((detail, holds))


async def test_what_was_done_is_counted_written_down_and_ends_the_alarm() -> None:
    house = House(DONE, NOTHING)
    assert [await house.reload(), await house.reload()] == [DONE, NOTHING]
    assert house.audit == [("reload", 1, "reloaded"), ("reload", 1, "unchanged")]
    assert house.alarms == [("", False), ("", False)]
    assert (house.counted("done"), house.counted("refused")) == (2, 0)
    assert house.reloader.file_state == "ok"


@pytest.mark.parametrize(
    ("failure", "code"), [(REFUSED, "restart_needed"), (MISTAKEN, "ConfigError")], ids=["refused", "mistaken"]
)
async def test_what_was_refused_says_so_until_a_reload_is_done(failure: GatewayError, code: str) -> None:
    house = House(failure, DONE)
    with pytest.raises(type(failure)):
        await house.reload()
    assert house.audit == [("reload", 0, f"refused: {code}")]
    assert [holds for _, holds in house.alarms] == [True]
    assert house.reloader.file_state != "ok"
    assert house.counted("refused") == 1
    await house.reload()
    assert house.reloader.file_state == "ok"
    assert house.alarms[-1] == ("", False)


async def test_the_alarm_of_a_refused_file_says_what_to_do_in_one_line() -> None:
    """A pager, a card and the command line show it: a second line would be a literal \\n there."""
    hinted = Diagnostic(file="gateway.yaml", line=3, column=5, path="sinks.app", found="no such type", hint="see types")
    house = House(ConfigError([hinted, Diagnostic(file="gateway.yaml", path="routes", found="no sink")]))
    with pytest.raises(ConfigError):
        await house.reload()
    said = "gateway.yaml: routes: no sink; gateway.yaml:3:5: sinks.app: no such type (hint: see types)"
    assert house.alarms == [(said, True)]


async def test_a_plugins_own_mistake_is_a_refusal_whose_cause_is_kept() -> None:
    mistake = KeyError("token")
    house = House(mistake)
    with pytest.raises(ReloadRefused, match="KeyError; the log says where") as refused:
        await house.reload()
    assert refused.value.code == "reload_failed"
    assert refused.value.__cause__ is mistake
    assert house.audit == [("reload", 0, "refused: reload_failed")]


async def test_a_store_that_is_away_undoes_no_reload() -> None:
    house = House(DONE, store_error=StoreUnavailable("away"))
    assert await house.reload() == DONE
    assert house.reloader.file_state == "ok"
