"""What a source whose vendor has an API says of it: the recordings that the vendor lists, and how it is to call us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from gateway.fields import Duration, Rate, Url, between
from gateway.fields.quantities import parse_rate
from gateway.model import Event
from gateway.plugin.options import Options


class Reconcile(Options):
    """The base of a source's `reconcile:`: when the vendor's own list is asked for. Its fields name the API and its keys."""

    every: Annotated[Duration, between("5m", "7d")] | None = Field(
        default=None,
        description="How often the vendor's list is asked for. Left out: only `gateway reconcile` asks for it.",
    )
    since: Annotated[Duration, between("1h", "30d")] = Field(
        default=timedelta(days=2), description="How far back the list is asked for each time."
    )
    after: Annotated[Duration, between("0", "1d")] = Field(
        default=timedelta(minutes=15),
        description="How long after the end of a recording its callback is waited for, before the list is believed.",
    )
    callback_url: Url | None = Field(
        default=None,
        description="The whole address at which the vendor reaches this source, for `gateway sources doctor`. Left out: only "
        "its path is compared.",
    )
    calls: Rate = Field(default=parse_rate("60/m"), description="How many calls of the vendor's API there may be.")


@dataclass(frozen=True)
class ListSpan:
    """The time whose recordings are asked for; both aware."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class ListedPage:
    """One page of a vendor's list.

    `events` are `recording.file.completed`, each with one file that says where it is; `next` is what the next page is asked for
    with (None: this was the last), any text of the source's own; `problems` say what could not be read, a sentence each.
    """

    events: Sequence[Event]
    next: str | None = None
    problems: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class CallbackConfiguration:
    """How a vendor is to call back, or does, for one domain and app.

    `event_types` and `sign_type` are in the vendor's words; `id` is the vendor's name of a configuration that is there;
    `rest` is what else it has there, so that a change leaves it alone.
    """

    domain: str
    app: str
    url: str
    event_types: frozenset[str]
    sign_type: str
    id: str | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)
