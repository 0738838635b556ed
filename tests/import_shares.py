"""Which files of tests a worker imports first: each begins at another place, so that in a fresh clone a file is compiled once,
and not by all workers at the same time."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def share(names: Sequence[str], worker: int, workers: int) -> Sequence[str]:
    """One of equal parts, in which there is a name at most once."""
    return names[worker * len(names) // workers : (worker + 1) * len(names) // workers]


class ImportShares:
    """A plugin of pytest for one worker of several; whatever its imports raise is said when the file is collected."""

    def pytest_collection(self, session: pytest.Session) -> None:
        given = getattr(session.config, "workerinput", None)
        whole = [(session.config.invocation_params.dir / name).resolve() for name in session.config.args]
        if given is None or whole != [ROOT / "tests"]:
            return
        files = sorted((ROOT / "tests").rglob("test_*.py"))
        names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
        for name in share(names, int(given["workerid"].removeprefix("gw")), given["workercount"]):
            with suppress(Exception, pytest.skip.Exception):
                importlib.import_module(name)
