"""docs/sinks.md names the columns that the table has, and what happens to values and errors."""

from __future__ import annotations

import re
from pathlib import Path

from plugins.sinks.database import own_table

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "sinks.md").read_text().split("\n## database\n")[1]


def test_the_columns_that_are_documented_are_those_of_the_table_in_its_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (both|file|event) \|", TEXT, re.M)
    for kind in ("file", "event"):
        assert [name for name, kinds in rows if kinds in {"both", kind}] == list(own_table.columns(kind))
