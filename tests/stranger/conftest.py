"""Environments with our wheel and strangers' packages in them, installed for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installed import ROOT, Environment, build

HERE = Path(__file__).resolve().parent
collect_ignore = ["acme-recordings"]
INSTALLED_S = 180  # within this a busy machine has built and installed two wheels and run a suite


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "environment" in item.fixturenames:  # type: ignore[attr-defined]
            item.add_marker(pytest.mark.timeout(INSTALLED_S))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for wheels."""
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="session")
def our_wheel(wheels: Path) -> Path:
    return build(ROOT, wheels)


@pytest.fixture(scope="session")
def environment(our_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with our wheel, to which the strangers' packages come one after the other."""
    environment = Environment(tmp_path_factory.mktemp("environment"))
    environment.install(our_wheel)
    return environment


@pytest.fixture(scope="session")
def acme(environment: Environment, wheels: Path) -> Environment:
    """The environment of somebody who installed acme-recordings."""
    environment.install(build(HERE / "acme-recordings", wheels))
    return environment
