"""Plugin files of one test are not another's."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _files_are_forgotten() -> Iterator[None]:
    """A file runs once in a process, and an older pytest gives the next test a folder of the same name."""
    yield
    for name in [name for name in sys.modules if name.startswith("gateway_file_")]:
        del sys.modules[name]
