"""What people's questions take of the configuration: which sinks there are, and how each is delivered to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol


class Knowing(Protocol):
    """What the configuration says of sinks: which there are (None: nobody said), which have a rate, which take batches,
    which are fetched from, which keep streams in order, and in which events have owners."""

    @property
    def sinks(self) -> frozenset[str] | None: ...
    @property
    def rated(self) -> frozenset[str]: ...
    @property
    def batched(self) -> frozenset[str]: ...
    @property
    def pulled(self) -> frozenset[str]: ...
    @property
    def ordered(self) -> frozenset[str]: ...
    @property
    def owned(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """All of it at once."""

    sinks: frozenset[str] | None
    rated: frozenset[str]
    batched: frozenset[str]
    pulled: frozenset[str]
    ordered: frozenset[str]
    owned: frozenset[str] = frozenset()


class LateConfigured:
    """The names at once, and the rest when it is asked for: what is delivered, dead, held back or tried again needs none of it."""

    def __init__(self, sinks: frozenset[str] | None, rest: Callable[[], Configured]) -> None:
        self.sinks = sinks
        self._read = rest

    @cached_property
    def _rest(self) -> Configured:
        return self._read()

    @property
    def rated(self) -> frozenset[str]:
        return self._rest.rated

    @property
    def batched(self) -> frozenset[str]:
        return self._rest.batched

    @property
    def pulled(self) -> frozenset[str]:
        return self._rest.pulled

    @property
    def ordered(self) -> frozenset[str]:
        return self._rest.ordered

    @property
    def owned(self) -> frozenset[str]:
        return self._rest.owned
