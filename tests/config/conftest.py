"""A folder to write configurations in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.configs import Configs


@pytest.fixture
def configs(tmp_path: Path) -> Configs:
    return Configs(tmp_path)
