"""Environments with our wheel and strangers' packages in them, installed for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.installed import ROOT, Environment, build

HERE = Path(__file__).resolve().parent
collect_ignore = ["acme-recordings"]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for wheels."""
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="session")
def our_wheel(wheels: Path) -> Path:
    return build(ROOT, wheels)


@pytest.fixture(scope="session")
def fresh(our_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environment]:
    """A fresh environment with our wheel and these."""

    def make(*others: Path) -> Environment:
        environment = Environment(tmp_path_factory.mktemp("environment"))
        environment.install(our_wheel, *others)
        return environment

    return make


@pytest.fixture(scope="session")
def acme(fresh: Callable[..., Environment], wheels: Path) -> Environment:
    """The environment of somebody who installed acme-recordings."""
    return fresh(build(HERE / "acme-recordings", wheels))
