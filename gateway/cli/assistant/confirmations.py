"""Confirmations: each stands for one act that was shown, as things stood, holds for a short time and only once."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError
from gateway.runtime.clock import Clock

HOLDS_SECONDS: Final = 120.0
OPEN_MAX: Final = 20  # that are given and not used; of more the oldest ends


class NotConfirmed(GatewayError):
    """The act was not shown before, or not as things stand now."""


@dataclass(frozen=True, slots=True)
class _GivenConfirmation:
    act: object
    until: float


class Confirmations:
    """`give` after an act was shown, `take_back` before it is done."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, _GivenConfirmation] = OrderedDict()

    def give(self, act: object) -> str:
        """A confirmation of exactly this act."""
        name = secrets.token_urlsafe(18)
        self._open[name] = _GivenConfirmation(act, self._clock.monotonic() + HOLDS_SECONDS)
        while len(self._open) > OPEN_MAX:
            self._open.popitem(last=False)
        return name

    def take_back(self, name: str, act: object) -> None:
        """Use it up for this act. Raises NotConfirmed where it is none, is over, or stands for another act."""
        given = self._open.pop(name, None)
        if given is None or self._clock.monotonic() > given.until:
            raise NotConfirmed("the confirmation is not known or is over: ask preview_change again")
        if given.act != act:
            raise NotConfirmed(
                "the confirmation is for another act or things changed since: ask preview_change again",
            )
