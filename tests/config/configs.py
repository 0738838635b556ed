"""Writes and loads configurations, with plugins that have every kind of option."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Mapping, Sequence
from enum import Enum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator, model_validator

from gateway import Malformed, Options, Sink, Source
from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.load import Loaded, load
from gateway.errors import PluginError
from gateway.fields import ConfigPath, Duration, Globs, Rate, Secret, SecretUrl, Size, Url, secret
from gateway.model import RECORDING_STARTED, Event, Trust
from gateway.plugin.registry import Registry

KEY = "0123456789abcdef0123456789abcdef"


class Colour(Enum):
    RED = "red"
    BLUE = 7


class Signed(Options):
    scheme: Literal["hmac"] = "hmac"
    secrets: list[Annotated[Secret, secret(min_length=8)]] = []


class Tokened(Options):
    scheme: Literal["token"]
    token: Secret


class Inner(BaseModel):
    x: int


class FakeSource(Source):
    type = "fake"

    class Options(Options):
        keys: tuple[Annotated[Secret, secret(min_length=16, advise=32)], ...]
        number: int = 1
        real: float = 0.5
        flag: bool = False
        anything: Any = None
        many: list[int | str] = []
        window: Duration | None = None
        secret_path: str = ""
        exact: str = "right"
        short: Annotated[str, Field(max_length=3, pattern="^[a-z]*$")] = ""
        positive: Annotated[float, Field(gt=0, lt=10, multiple_of=0.5)] = 1.0
        few: Annotated[list[str], Field(max_length=1)] = []
        mixed: str | dict[str, int] | list[Inner] = ""
        enumerated: set[Colour] = set()
        network: IPv4Network | None = None

        @field_validator("exact")
        @classmethod
        def _right(cls, exact: str) -> str:
            if exact != "right":
                raise ValueError("not right")
            return exact

        @field_validator("number")
        @classmethod
        def _odd(cls, number: int) -> int:
            if number % 2 == 0:
                raise ValueError(f"{number} is even, and numbers here are odd")
            return number

    def prepare(self) -> None:
        if self.options.number == 13:
            raise RuntimeError("unlucky: " + self.options.keys[0].reveal())

    @property
    def unsigned(self) -> bool:
        return bool(self.options.flag)

    def normalise(self, callback: Any, verified: Any) -> Sequence[Event]:
        said = callback.json()
        if "broken" in said:
            raise RuntimeError("broken")
        if "app" not in said:
            raise Malformed("no app")
        return [
            Event(
                id=str(number), type=RECORDING_STARTED, source=self.name, provider="fake", received_at=callback.received_at,
                trust=Trust.NONE, app=said["app"],
            )
            for number in range(said.get("times", 1))
        ]  # fmt: skip

    def advice(self) -> Sequence[str]:
        if self.options.number == 15:
            raise RuntimeError("no advice")
        return [f"the number is {self.options.number}"] if self.options.number != 1 else []


class FakeSink(Sink):
    type = "fake"
    default_rate = "20/m"

    class Options(Options):
        url: Url | None = None
        hook: SecretUrl | None = None
        secret: Secret | None = None
        sign: Signed | Tokened | None = None
        headers: dict[str, Secret] = {}
        colour: Colour = Colour.RED
        level: Literal["low", "high", 3] = "low"
        size: Size = 1024
        rate: Rate | None = None
        globs: Globs = ()
        pair: tuple[int, str] | None = None
        folder: ConfigPath | None = None
        flags: dict[str, bool] = {}
        on_or_off: bool = True
        aliased: int = Field(1, alias="also-called")
        text: str = ""

        @field_validator("on_or_off", mode="before")
        @classmethod
        def _words(cls, value: object) -> object:
            return {"on": True, "off": False}.get(str(value), value)

        @model_validator(mode="after")
        def _agree(self) -> Any:
            if self.text == "tell":
                raise ValueError(f"it is {self.secret and self.secret.reveal()}, of all things")
            if self.text == "crash":
                raise KeyError(self.secret and self.secret.reveal())
            return self


class BatchSink(Sink):
    type = "batching"

    class Options(BaseModel):
        """Lenient by itself: the core refuses unknown keys all the same."""

        text: str = ""

    async def deliver_batch(self, deliveries: Any) -> Any:
        return [None for _ in deliveries]


class OpenSink(Sink):
    type = "open"

    class Options(BaseModel):
        model_config = {"extra": "allow"}


class FakeRegistry:
    """What the loader needs of a registry, with the plugins above."""

    def __init__(self, plugins: Sequence[str], base: Path) -> None:
        if bad := [name for name in plugins if name.startswith("bad")]:
            raise PluginError(f"plugins: {bad[0]} cannot be imported")
        self.plugins = plugins

    def source_types(self) -> list[str]:
        return ["broken", "fake"]

    def sink_types(self) -> list[str]:
        return ["batching", "fake", "open"]

    def source(self, name: str) -> type[Source]:
        if name == "fake":
            return FakeSource
        raise PluginError(f"source {name} of some-package 1.0 cannot be loaded" if name == "broken" else "unknown")

    def sink(self, name: str) -> type[Sink]:
        for cls in (FakeSink, BatchSink, OpenSink):
            if cls.type == name:
                return cls
        raise PluginError("unknown")


@functools.cache
def _built_in() -> Registry:
    return Registry()


def real_registry(plugins: Sequence[str], base: Path) -> Registry:
    """The built-in plugins, looked for once, because that takes longer than to read most of these files."""
    return Registry(plugins, base) if plugins else _built_in()


class Configs:
    """Writes configurations and loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "gateway.yaml") -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        path.chmod(0o600)
        return path

    def load(
        self, text: str, environ: Mapping[str, str] | None = None, *, real: bool = False, **options: Any
    ) -> Loaded:
        options.setdefault("registry", real_registry if real else FakeRegistry)
        return load(self.write(text), environ=environ or {}, **options)

    def problems(self, text: str, environ: Mapping[str, str] | None = None, **options: Any) -> list[Diagnostic]:
        with pytest.raises(ConfigError) as raised:
            self.load(text, environ, **options)
        return raised.value.problems

    def problem(self, text: str, environ: Mapping[str, str] | None = None, **options: Any) -> Diagnostic:
        found = self.problems(text, environ, **options)
        assert len(found) == 1, [str(one) for one in found]
        return found[0]

    def source(self, options: str, environ: Mapping[str, str] | None = None, **more: Any) -> Any:
        """The options of a fake source written with these lines."""
        return self.load(_entry("sources", f"keys: [{KEY}]", options), environ, **more).settings.sources["it"].options

    def sink(self, options: str, environ: Mapping[str, str] | None = None, **more: Any) -> Any:
        """The options of a fake sink written with these lines."""
        return self.load(_entry("sinks", "", options), environ, **more).settings.sinks["it"].options

    def wrong_source(self, options: str, environ: Mapping[str, str] | None = None, **more: Any) -> Diagnostic:
        return self.problem(_entry("sources", f"keys: [{KEY}]", options), environ, **more)

    def wrong_sink(self, options: str, environ: Mapping[str, str] | None = None, **more: Any) -> Diagnostic:
        return self.problem(_entry("sinks", "", options), environ, **more)


def _entry(kind: str, *options: str) -> str:
    lines = [line for option in options for line in textwrap.dedent(option).strip().splitlines()]
    return f"{kind}:\n  it:\n    type: fake\n" + "".join(f"    {line}\n" for line in lines)
