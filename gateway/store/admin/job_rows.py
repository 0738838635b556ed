"""A bulk act as the store keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from gateway.states import BulkAct, JobState
from gateway.store.engine.session import Columns

COLUMNS: Final = """id, created_at, finished_at, actor, place, holder, act, filter, options, pause_us, matched, upto, at_row,
  done, failed, state, result, answers, audit"""


class JobOptions(TypedDict, total=False):
    """What else was asked for: `to` are sinks."""

    to: Sequence[str] | None
    reroute: bool


class JobAnswer(TypedDict):
    """What became of one of them, as kept."""

    target: str
    done: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A bulk act as kept."""

    id: int
    created_at: int
    finished_at: int | None
    actor: str
    place: str
    holder: str
    act: BulkAct
    filter: Mapping[str, object]
    options: JobOptions
    pause_us: int
    matched: int
    upto: int
    at_row: int
    done: int
    failed: int
    state: JobState
    result: str
    answers: Sequence[JobAnswer]
    audit: int


def job_row(row: Columns) -> JobRow:
    """From its columns."""
    values = dict(zip([name.strip() for name in COLUMNS.split(",")], row, strict=True))
    for name in ("filter", "options", "answers"):
        values[name] = json.loads(values[name])
    return JobRow(**values)
