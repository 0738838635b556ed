"""What `make fast` leaves out because it takes long in all: names in `wide.txt`, added by `python -m tests.wide RESULTS.xml`."""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_name("wide.txt")
SECONDS_MIN = 0.3  # of all cases of a test, in a run of `make fast` on a quiet machine with `--junitxml RESULTS.xml`


@cache
def wide_tests() -> frozenset[str]:
    """Their names without cases, as pytest writes them."""
    return frozenset(LIST.read_text().splitlines())


def is_there(name: str) -> bool:
    """Whether a test of this name is in its file."""
    path, _, function = name.partition("::")
    file = ROOT / path
    return file.is_file() and f"def {function.rpartition('::')[2]}(" in file.read_text()


def long_ones(results: Path) -> set[str]:
    """What took long in these results."""
    took: dict[str, float] = defaultdict(float)
    for case in ElementTree.parse(results).iter("testcase"):
        took[_name(case.attrib["classname"], case.attrib["name"])] += float(case.attrib["time"])
    return {name for name, seconds in took.items() if seconds >= SECONDS_MIN}


def _name(module: str, case: str) -> str:
    parts = module.split(".")
    classes: list[str] = []
    while parts and not (file := ROOT.joinpath(*parts).with_suffix(".py")).is_file():
        classes.insert(0, parts.pop())
    return "::".join(["/".join(parts) + file.suffix, *classes, case.partition("[")[0]])


if __name__ == "__main__":
    found = {*filter(is_there, wide_tests()), *long_ones(Path(sys.argv[1]))}
    LIST.write_text("".join(f"{name}\n" for name in sorted(found)))
