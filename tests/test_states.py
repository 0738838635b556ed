"""The few words there are: one list of each, which the enumerations, the SQL of both databases and the documents share."""

from __future__ import annotations

import ast
import re
from typing import get_args

import pytest

from gateway import states
from gateway.model import ALARM_TYPES, Outcome, Trust
from gateway.store.admin.jobs import AUDITED_AS
from gateway.store.records import Held
from gateway.web.pages import sentences
from tests.syntax import ROOT, nodes, python_files

_QUOTED = re.compile(r"'([a-z_ ]+)'")
COLUMNS: dict[str, set[str]] = {
    "state": {*states.DELIVERY_STATES, *states.JOB_STATES, *states.RECORDING_STATES, *states.WATCH_STATES},
    "reason": {*states.DEAD_REASONS, "erased"},  # of a sink's circuit, once what it said was erased
    "outcome": {outcome.value for outcome in Outcome},
    "held": {*states.HOLD_REASONS},
}


def _codes(of: object) -> set[str]:
    """The words of a union of Literals."""
    found = set()
    for one in get_args(of):
        found |= {one} if isinstance(one, str) else _codes(one)
    return found


def test_what_is_also_an_enumeration_has_the_same_members() -> None:
    assert tuple(trust.value for trust in Trust) == states.TRUST_NAMES
    assert tuple(held.value for held in Held) == states.HOLD_REASONS
    assert tuple(outcome.value for outcome in Outcome) == get_args(states.OutcomeName)
    assert set(ALARM_TYPES) == set(get_args(states.AlarmType))


@pytest.mark.parametrize("column", COLUMNS)
def test_statements_compare_columns_with_words_that_there_are(column: str) -> None:
    """`state = 'x'`, `state <> 'x'`, `state IN ('x','y')` and the CASE that a table's own checks are made of."""
    compared = re.compile(rf"\b{column}\s*(?:=|<>|(?:NOT\s+)?IN\s*\()\s*((?:'[a-z_ ]+'\s*,?\s*)+)")
    words = {
        word
        for path in (ROOT / "gateway/store").rglob("*.py")
        for list_ in compared.findall(path.read_text())
        for word in _QUOTED.findall(list_)
    }
    assert words <= COLUMNS[column]
    assert words or column == "held"


def test_every_code_of_a_problem_is_documented_and_no_other() -> None:
    codes = _codes(states.ProblemCode)
    api, http = (ROOT / "docs/api.md").read_text(), (ROOT / "docs/http.md").read_text()
    assert [code for code in sorted(codes) if f"`{code}`" not in api + http] == []
    refusals = api.split("## Refusals")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| \d{3} \| `([a-z_]+)`", refusals, re.MULTILINE)) <= codes
    assert set(re.findall(r"^\| \d{3} \| `([a-z_]+)`", http, re.MULTILINE)) <= codes


def test_statements_have_their_ranks_from_the_enumeration() -> None:
    """Only the tables' own text has numbers, because that must never change."""
    bare = re.compile(r"\brank (?:=|<>) \d|\brank IN \(\d")
    files = [path for path in (ROOT / "gateway/store").rglob("*.py") if path.name != "migrations.py"]
    places = [
        f"{path.name}: {line.strip()}"
        for path in files
        for line in path.read_text().splitlines()
        if bare.search(line) and not line.startswith(("#", "word where"))
    ]
    assert places == []


# Where a word of ours is a plain text or number: counts, other people's words, globs, and what another version wrote.
BARE = {
    ("gateway/admin/overview_results.py", "held"): "how many",
    ("gateway/admin/overview_results.py", "act"): "as listed of a gateway elsewhere, which may know more acts",
    ("gateway/web/pages/sentences.py", "act"): "the same",
    ("gateway/cli/commands/audit.py", "act"): "a glob",
    ("gateway/cli/remote_queries.py", "act"): "a glob",
    ("gateway/store/admin/audit.py", "act"): "a glob",
    ("gateway/store/admin/queries.py", "act"): "a glob",
    ("gateway/model/trust.py", "rank"): "the order of trust",
    ("gateway/store/postgres/batch.py", "rank"): "the name of a value in a statement",
    ("gateway/text/trace_context.py", "state"): "`tracestate`, which is the vendors' own",
}
TYPED = {"state", "held", "waits_for", "act", "rank"}


def test_what_has_a_few_known_values_is_typed_by_them_wherever_it_is_named() -> None:
    def bare(kind: ast.expr) -> bool:
        """A text or a number by itself, or none; what is inside of a collection, or said by a function, is its own matter."""
        parts = [kind.left, kind.right] if isinstance(kind, ast.BinOp) else [kind]
        return any(isinstance(part, ast.Name) and part.id in {"str", "int"} for part in parts)

    there = set()
    for path in python_files("gateway"):
        for node in nodes(path):
            kind = node.annotation if isinstance(node, ast.AnnAssign | ast.arg) else None
            name = getattr(node, "arg", "") or getattr(getattr(node, "target", None), "id", "")
            if kind is not None and name in TYPED and bare(kind):
                there.add((str(path.relative_to(ROOT)), name))
    assert there == BARE.keys()


def test_every_act_of_the_audit_log_has_its_name_on_the_pages() -> None:
    assert set(sentences.ACTS) == set(states.AUDIT_ACTS)
    assert {AUDITED_AS[act] for act in get_args(states.BulkAct)} <= set(states.AUDIT_ACTS)
