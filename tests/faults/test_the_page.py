"""docs/reliability.md says of each row which scenario it is: its command selects that one, and every scenario has its row."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text()
ELSEWHERE = {
    "tests/faults/test_account.py",
    "tests/faults/test_mutants.py",
    "tests/faults/test_the_page.py",
}  # the harness's own
COLLECT = """
import json, sys, pytest
from _pytest.mark import KeywordMatcher
from _pytest.mark.expression import Expression

rows, found, items = json.loads(sys.argv[1]), [], []

class Looker:
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        for place, words, whole in rows:
            try:
                fits = Expression.compile(words).evaluate if words else lambda matcher: True
            except SyntaxError:  # what pytest would refuse
                fits = lambda matcher: False
            found.append([
                one.nodeid for one in items
                if one.nodeid.startswith(place) and fits(KeywordMatcher.from_item(one))
                and (whole or not one.get_closest_marker("whole"))
            ])
        found.append([one.nodeid for one in items])

pytest.main(["-q", "--collect-only", "--whole", "-p", "no:cacheprovider", "tests/faults", "tests/sinks/together"], plugins=[Looker()])
print("\\n" + json.dumps(found))
"""


def rows() -> list[tuple[str, str, bool]]:
    """Of each row of the table the file, what `-k` says, and whether it is of the long form."""
    table = PAGE.split("| what was done | test |")[1].split("\n\n")[0]
    made = []
    for command in re.findall(r"^\| .+? \| `(.+?)` \|", table, re.M):
        words = shlex.split(command)
        (place,) = (word for word in words if word.startswith(("test_", "tests/")))
        chosen = words[words.index("-k") + 1] if "-k" in words else ""
        made.append((place if place.startswith("tests/") else f"tests/faults/{place}", chosen, "--whole" in words))
    return made


def test_the_command_of_each_row_selects_one_scenario_and_each_scenario_has_a_row() -> None:
    asked = rows()
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, json.dumps(asked)],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    *selected, everything = json.loads(done.stdout.splitlines()[-1])
    assert [(row, tests) for row, tests in zip(asked, selected, strict=True) if len(tests) != 1] == []
    told = {tests[0] for tests in selected}
    assert [one for one in everything if one not in told and one.partition("::")[0] not in ELSEWHERE] == []
