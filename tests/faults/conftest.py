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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--whole"):
        for item in items:
            if item.get_closest_marker("whole"):
                item.add_marker(pytest.mark.skip("only in the long form: make faults, or --whole"))
