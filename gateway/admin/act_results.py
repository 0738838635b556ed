"""What the admin API answers to an act: what was done to one, to a few, or to many by a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from gateway.admin.results import DeliveryItem, Result, Time
from gateway.states import BulkAct, JobState


class OneDone(Result):
    """What was done to one."""

    target: str
    done: bool
    text: str


class ManyDone(Result):
    """What was done to each of a few, in their order."""

    answers: Sequence[OneDone]


class Replayed(Result):
    """The deliveries that begin a round."""

    target: str
    text: str
    deliveries: Sequence[DeliveryItem]


class BulkPreview(Result):
    """How many a bulk act would be done to, and the last row that there was: what comes later is not touched."""

    matched: int
    upto: int
    already_there: Annotated[
        int, Field(description="move: of how many the other sink has the event already; these are cancelled.")
    ] = 0


class Names(Result):
    """The shortest name of each event, that every path and command takes."""

    names: Sequence[str]


class JobStarted(Result):
    """A bulk act was written down and goes on by itself."""

    job: int


class JobItem(Result):
    """A bulk act: how far it is, and how it ended. `answers` are the first of those that say more than that it was done."""

    id: int
    act: BulkAct
    filter: Mapping[str, object]
    to: Sequence[str] | None
    reroute: bool
    rate: float | None
    who: str
    created_at: Time
    finished_at: Time | None
    state: JobState
    matched: int
    upto: int
    done: int
    failed: int
    result: str
    answers: Sequence[OneDone]
