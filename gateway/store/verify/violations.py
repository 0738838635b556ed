"""What `verify` finds: a rule, the row, and the same in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

SHOWN_OF_A_RULE_MAX: Final = 20  # violations of one rule that are told one by one; the others are counted


@dataclass(frozen=True, slots=True)
class Violation:
    """`rule` is its name, `row` such as `deliveries 7` (empty: of no one row)."""

    rule: str
    row: str
    text: str


@dataclass(slots=True)
class Findings:
    """Counts all violations, and lets the first of each rule through, so that memory stays flat whatever is wrong."""

    counts: Counter[str] = field(default_factory=Counter)

    def first_of(self, violations: Iterable[Violation]) -> Iterator[Violation]:
        """Those that are told."""
        for violation in violations:
            self.counts[violation.rule] += 1
            if self.counts[violation.rule] <= SHOWN_OF_A_RULE_MAX:
                yield violation

    @property
    def untold(self) -> dict[str, int]:
        """Rule -> how many more there are than were told."""
        return {rule: n - SHOWN_OF_A_RULE_MAX for rule, n in self.counts.items() if n > SHOWN_OF_A_RULE_MAX}
