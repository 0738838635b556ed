"""The version: one place, read by the build and said by the command."""

from __future__ import annotations

import re
from importlib.metadata import version

import gateway


def test_the_version_is_the_one_that_was_built_and_has_three_numbers() -> None:
    assert gateway.__version__ == version("recording-gateway")
    assert re.fullmatch(r"\d+\.\d+\.\d+", gateway.__version__)
