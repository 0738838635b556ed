"""How what is not installed is installed: the one place that every text about an extra uses."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence


def how_to_install(extra: str) -> str:
    """What to run. The project is on no index, so it is installed from its sources."""
    return f"in the folder of the gateway's sources run: pip install '.[{extra}]'"


def missing(extra: str, *modules: str) -> Sequence[str]:
    """A sentence about the modules of an extra that are not here, with what to do; nothing where all are."""
    gone = [name for name in modules if not _is_here(name)]
    return [f"not installed here: {', '.join(gone)}; {how_to_install(extra)}"] if gone else []


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is not there either
        return False
