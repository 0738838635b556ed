"""Promises every sink keeps, as test classes to inherit: `class TestMine(SinkPromises): sink = Mine; …`. Works with plain pytest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.egress.client import Http
from gateway.fields import MASK, secrets_of
from gateway.model import Erased
from gateway.plugin import Sink
from gateway.plugin.contract import class_problem
from gateway.runtime import lean_imports
from gateway.runtime.clock import FrozenClock
from gateway.testing.factories import NOW, delivery, events
from gateway.testing.server import ScriptedServer
from gateway.text import redaction

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

S = TypeVar("S", bound=Sink)

HANG_SECONDS: Final = 5.0  # how long close() may take, and how long a test waits for what must not hang


@asynccontextmanager
async def opened(
    sink: type[S], options: Mapping[str, object], *, name: str = "mine", logged: list[Any] | None = None, **http: Any
) -> AsyncIterator[S]:
    """A sink as the core makes it from these options, opened; closed afterwards, within 5 seconds.

    `logged` gets what it logs, redacted. `http` are arguments of its client: `transport=` replaces the network
    (`httpx.MockTransport`), `timeout=` is in seconds, `clock=` stands still if it is not given.
    """
    read = sink.Options.model_validate(dict(options))
    for _, secret in secrets_of(read):
        redaction.learn_secret(secret.reveal())
    client = Http(**{"clock": FrozenClock(), "timeout": HANG_SECONDS, **http})
    target = sink(name, read, http=client, log=_log([] if logged is None else logged))
    try:
        await target.open()
        yield target
    finally:
        async with asyncio.timeout(HANG_SECONDS):
            await target.close()
        await client.close()


class SinkPromises:
    """What holds for every sink. Set `sink`, and give `options`; the methods are ordinary synchronous tests."""

    sink: ClassVar[type[Sink]]

    def options(self, url: str) -> Mapping[str, object]:
        """Options as the configuration file would hold them. `url` is a server's on loopback, for sinks that call one."""
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self, url: str = "http://127.0.0.1:9", **http: Any) -> AsyncIterator[tuple[Sink, list[Any]]]:
        """A sink as the core makes it, opened, and the list of what it logs; closed afterwards, in time."""
        logged: list[Any] = []
        async with opened(self.sink, self.options(url), logged=logged, **http) as sink:
            yield sink, logged

    def test_it_has_a_type_and_options_of_its_own(self) -> None:
        assert isinstance(self.sink.type, str)
        assert self.sink.type
        assert issubclass(self.sink.Options, BaseModel)
        assert class_problem(self.sink, Sink) is None

    def test_every_option_says_what_it_is_for(self) -> None:
        undescribed = [path for path, text in _described(self.sink.Options) if not text]
        assert not undescribed, f"give these options a Field(description=…): {undescribed}"

    def test_an_unknown_option_is_refused(self) -> None:
        options = {**self.options("http://127.0.0.1:9"), "no_such_option": 1}
        refused: Sequence[tuple[int | str, ...]] = ()
        try:
            self.sink.Options.model_validate(options)
        except ValidationError as error:
            refused = [part["loc"] for part in error.errors(include_input=False)]
        assert refused == [("no_such_option",)], "derive Options from gateway.Options, which refuses unknown keys"

    def test_its_options_never_show_a_secret(self) -> None:
        options = self.sink.Options.model_validate(dict(self.options("http://127.0.0.1:9")))
        shown = f"{options!r} {options} {options.model_dump_json()} {self.sink.Options.model_json_schema()}"
        for path, secret in secrets_of(options):
            assert secret.reveal() not in shown, f"{path} is shown"
            assert MASK in shown

    def test_it_can_be_opened_and_closed_without_a_delivery(self) -> None:
        async def body() -> None:
            async with self.opened():
                pass

        asyncio.run(body())

    def test_its_preview_is_a_text_or_none_and_sends_nothing(self) -> None:
        async def body() -> None:
            async with ScriptedServer() as server:
                options = self.sink.Options.model_validate(dict(self.options(server.url)))
                sink = self.sink("mine", options, http=Http(), log=_log([]))
                for one in events():
                    said = await sink.preview(delivery(one))
                    assert said is None or isinstance(said, str)
                    for path, secret in secrets_of(options):
                        assert secret.reveal() not in (said or ""), f"{path} is shown"
                assert server.connections == 0
                await sink.close()

        asyncio.run(body())

    def test_it_lets_go_of_what_never_came_as_often_as_it_is_asked_to(self) -> None:
        if self.sink.erased is Sink.erased:
            return

        async def body() -> None:
            async with self.opened() as (sink, _):
                for events in ((), [Erased("live", "0" * 32, NOW)], [Erased("live", "0" * 32, NOW)]):
                    await sink.erased(events)

        asyncio.run(body())

    def test_what_an_owner_may_have_is_an_option_and_his_sink_is_one_like_this(self) -> None:
        columns = self.sink.owner_columns
        fields = {info.alias or name for name, info in self.sink.Options.model_fields.items()}
        for column, option in columns.items():
            assert re.fullmatch(r"(?!(?:owner|note)$)[a-z][a-z0-9_]*", column), f"{column} is no name of a column"
            assert option.removesuffix("[]").partition(".")[0] in fields, f"{column}: there is no option {option}"
        if not columns:
            return

        async def body() -> None:
            async with self.opened() as (sink, _):
                owners = sink.for_owner(sink.options)
                assert isinstance(owners, Sink)
                assert owners is not sink
                await owners.open()
                await owners.close()

        asyncio.run(body())

    def test_its_advice_is_a_list_of_texts(self) -> None:
        options = self.sink.Options.model_validate(dict(self.options("http://127.0.0.1:9")))
        advice = self.sink("mine", options, http=Http(), log=_log([])).advice()
        assert all(isinstance(line, str) for line in advice)


def _described(model: type[BaseModel]) -> Sequence[tuple[str, str | None]]:
    """Every option's dotted name and description, those of nested models too."""
    schema = model.model_json_schema()
    models = {"": schema, **{f"{name}.": part for name, part in schema.get("$defs", {}).items()}}
    return [
        (prefix + name, option.get("description"))
        for prefix, part in models.items()
        for name, option in part.get("properties", {}).items()
    ]


def _log(logged: list[Any]) -> FilteringBoundLogger:
    structlog = lean_imports.import_structlog()

    def keep(_logger: object, _name: str, event_dict: Mapping[str, object]) -> NoReturn:
        logged.append(dict(event_dict))
        raise structlog.DropEvent

    log: FilteringBoundLogger = structlog.wrap_logger(None, processors=[redaction.redact_event, keep])
    return log
