"""Both listeners, running for real, shared by the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.doors import Behind, Served


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    """One pair of listeners for the tests of a file that leave it as it was."""
    with Served(Behind()) as served:
        yield served


@pytest.fixture
def served(shared: Served) -> Served:
    """The shared pair, with a gateway that has seen nothing yet."""
    shared.behind.__init__(shared.behind.settings)  # type: ignore[misc]
    return shared
