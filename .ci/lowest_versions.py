"""Prints `name==version` for every library of pyproject.toml that is used at run time, at its lowest allowed version."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

TOOLS = {"test", "dev"}  # what tests are run with may be new


def main() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = [needed for name, needed in project["optional-dependencies"].items() if name not in TOOLS]
    lowest = {}
    for line in [*project["dependencies"], *(line for needed in extras for line in needed)]:
        found = re.match(r"([\w-]+)(?:\[[\w,-]+\])?>=([\w.]+)", line)
        assert found is not None, line
        lowest[found[1]] = found[2]
    sys.stdout.write("".join(f"{name}=={version}\n" for name, version in sorted(lowest.items())))


if __name__ == "__main__":
    main()
