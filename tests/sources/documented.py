"""Reading docs/event.md and docs/sources.md: their tables, their examples, and the sources that they describe."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from pathlib import Path

from gateway import Source
from gateway.config.load import Loaded, load
from gateway.plugin.registry import Registry

DOCS = Path(__file__).parents[2] / "docs"
EVENT = (DOCS / "event.md").read_text("utf-8")
SOURCES = (DOCS / "sources.md").read_text("utf-8")
KEY = "demo-key-of-the-documentation-0001"
RECEIVED_AT = datetime(2020, 3, 8, 14, 12, 27, 31000, UTC)


def block(text: str, kind: str) -> str:
    (found,) = re.findall(rf"```json {kind}\n(.*?)```", text, re.DOTALL)
    return found


def table(text: str, heading: str) -> dict[str, list[str]]:
    """The rows below a heading: what stands in backticks first, and the other cells."""
    section = text.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", section, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


EXAMPLES = re.findall(r"```yaml\n(.*?)```", SOURCES, re.DOTALL)
WHSEC = "whsec_" + "c2VjcmV0" * 6
TYPES = Registry().source_types()
SECTIONS = dict(re.findall(r"\n## ([a-z0-9-]+)\n(.*?)(?=\n## |\Z)", SOURCES, re.DOTALL))


def loaded(text: str, folder: Path) -> Loaded:
    path = folder / "gateway.yaml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    names = re.findall(r"\$\{([A-Z_]+)\}", text)
    values = {"SHARED_SECRET": WHSEC, "DAILY_HMAC": base64.b64encode(b"k" * 32).decode()}
    return load(path, environ={name: values.get(name, "kn"[n % 2] * 32) for n, name in enumerate(names)})


def source_of(text: str, folder: Path) -> Source:
    found = loaded(text, folder)
    settings = found.settings.sources["live"]
    return found.registry.source(settings.type)("live", settings.options)
