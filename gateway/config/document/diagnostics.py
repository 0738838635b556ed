"""What is wrong with a configuration, said once for people and for machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.errors import GatewayError
from gateway.text.suggest import nearest

PROBLEMS_SHOWN_MAX: Final = 100  # problems shown; after so many the rest are consequences


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake or warning. `line` and `column` count from 1; 0 where there is no line. Never holds a secret.

    With `expected`, `found` names what is there; without it, `found` is the whole sentence.
    """

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""

    @property
    def message(self) -> str:
        """What was found and what was expected, in one line."""
        if self.found and self.expected:
            return f"found {self.found}, expected {self.expected}"
        return self.found or f"expected {self.expected}"

    @property
    def line_text(self) -> str:
        """Where and what, without the hint."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        subject = f"{self.path}: " if self.path else ""
        return f"{place}: {subject}{self.message}"

    @property
    def sentence(self) -> str:
        """Where, what, and what to do, in one line."""
        return self.line_text + (f" (hint: {self.hint})" if self.hint else "")

    def __str__(self) -> str:
        return self.line_text + (f"\n    hint: {self.hint}" if self.hint else "")

    def as_dict(self) -> dict[str, object]:
        """For `check --json`: the fields and the message."""
        return {**msgspec.structs.asdict(self), "message": self.message}


class ConfigError(GatewayError):
    """The configuration cannot be used; `problems` are all its mistakes, in the order of the file."""

    def __init__(self, problems: Iterable[Diagnostic], warnings: Sequence[Diagnostic] = ()) -> None:
        self.problems = in_order(problems)
        self.warnings = in_order(warnings)
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:PROBLEMS_SHOWN_MAX]]
        if len(self.problems) > PROBLEMS_SHOWN_MAX:
            lines.append(f"… and {len(self.problems) - PROBLEMS_SHOWN_MAX} more")
        return "\n".join(lines)


def in_order(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By line and column, each once."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line, problem.column))


def sections_of(problems: Iterable[Diagnostic]) -> frozenset[str]:
    """The keys at the top under which they stand."""
    return frozenset(one.path.partition(".")[0].partition("[")[0] for one in problems)


def near(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A hint that names the nearest of the known words, at least so like it (0 to 1), or all where they are few."""
    names = list(known)
    if (meant := nearest(word, names, likeness)) is not None:
        return f"did you mean {meant}?"
    return f"known are: {', '.join(names)}" if 0 < len(names) <= 20 else ""
