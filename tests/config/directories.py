"""Sinks with a directory, and the tables they name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config.load import Loaded
from gateway.model import Event
from tests.config.configs import Configs, real_registry

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CANARY = "whsec_Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5"
KEYED = "directory: {file: owners.csv, key: event.data.stream}"


class RealConfigs(Configs):
    """With the sinks there are."""

    def load(self, text: str, environ: Mapping[str, str] | None = None, **options: Any) -> Loaded:
        return super().load(text, environ, **{"registry": real_registry, "judge": False, **options})


def sink(more: str = "", directory: str = KEYED) -> str:
    return f"sinks: {{people: {{type: forward, {directory}{more}}}}}"


def table(configs: Configs, text: str | bytes, name: str = "owners.csv") -> None:
    path = configs.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)


def event(stream: str | None = "anna", **more: object) -> Event:
    from tests.dispatch.conftest import event

    return event(1).replace(stream=stream, **more)
