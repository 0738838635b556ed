"""What the doctor says of a store's place: what holds, what is worth knowing, what is unwise, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "noted", "unwise", "missing"]
Mode = Literal["full", "reduced"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`seen`: what is so. `meaning`: what follows from that, and what to do; empty where nothing does."""

    name: str
    grade: Grade
    seen: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`kind`: the database and its version. `mode`: in which the store is, or would be made; None: SQLite has one only."""

    store: str
    kind: str
    mode: Mode | None
    findings: Sequence[Finding]

    @property
    def fits(self) -> bool:
        """Whether nothing is missing that the store needs."""
        return all(one.grade != "missing" for one in self.findings)
