"""What scenarios share: a seed, so that one that failed can be played again, and how long they may be."""

from __future__ import annotations

import pytest


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """`--seed N`."""
    return int(request.config.getoption("--seed"))


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> bool:
    """`--whole`: the long form, of `make faults`."""
    return bool(request.config.getoption("--whole"))


@pytest.fixture
def long_form(whole: bool) -> None:
    """What others stand for in the short form: see `LONG`."""
    if not whole:
        pytest.skip("only in the long form: make faults, or --whole")
