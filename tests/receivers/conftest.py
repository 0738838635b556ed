from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway import Http
from plugins.sinks.forward import Forward, ForwardOptions
from tests.patience import PATIENCE_S

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECRET = "whsec_cmVjZWl2ZXItc2VjcmV0LXJlY2VpdmVyLXNlY3JldA=="
_BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="session")
def examples() -> dict[str, str]:
    """The named examples of docs/receivers.md, as a reader would copy them."""
    return {name: code for _, name, code in _BLOCK.findall((DOCS / "receivers.md").read_text())}


@pytest.fixture
def load(examples: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Run an example as a module of its own, with `webhook.py` beside it and its settings in the environment."""
    monkeypatch.setenv("APP_SECRET", SECRET)
    monkeypatch.setenv("APP_DB", str(tmp_path / "app.db"))

    def run(name: str, module_name: str) -> ModuleType:
        module = ModuleType(module_name)
        exec(compile(examples[name], f"docs/receivers.md {name}", "exec", dont_inherit=True), module.__dict__)
        return module

    monkeypatch.setitem(sys.modules, "webhook", run("webhook.py", "webhook"))
    return lambda name: run(name, f"example_{name}")


@pytest.fixture
def forwarding() -> Callable[..., AbstractAsyncContextManager[Forward]]:
    """A real forward sink aimed at a URL."""

    @asynccontextmanager
    async def make(url: str, secret: str = SECRET, **options: Any) -> AsyncIterator[Forward]:
        http = Http(timeout=PATIENCE_S)
        given = {"url": url, "sign": {"scheme": "standard-webhooks", "secrets": [secret]}, **options}
        sink = Forward("app", ForwardOptions.model_validate(given), http=http, log=None)  # type: ignore[arg-type]
        await sink.open()
        try:
            yield sink
        finally:
            await sink.close()
            await http.close()

    return make
