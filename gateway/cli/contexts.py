"""The gateways that a person works with, by names of their own: kept in the user's configuration, with no token in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Context:
    """Where a gateway is, and the file that holds a token of it."""

    url: str
    token_file: str


@dataclass(frozen=True, slots=True)
class Contexts:
    """All of them, and the one in use."""

    named: Mapping[str, Context]
    used: str | None = None


def path() -> Path:
    """The file they are kept in."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "recording-gateway" / "contexts.json"


def all_contexts() -> Contexts:
    """Those that are kept. Raises GatewayError for a file that cannot be read."""
    try:
        content = json.loads(path().read_text())
        named = {name: Context(**one) for name, one in content["contexts"].items()}
        return Contexts(named, content.get("used"))
    except FileNotFoundError:
        return Contexts({})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise GatewayError(f"{path()} cannot be read: mend it, or delete it") from None


def write(contexts: Contexts) -> None:
    """Keep them, for this user alone."""
    content = {"used": contexts.used, "contexts": {name: asdict(one) for name, one in contexts.named.items()}}
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = file.with_suffix(".new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        json.dump(content, opened, indent=2)
    beside.replace(file)


def used() -> Context | None:
    """The one in use."""
    contexts = all_contexts()
    return None if contexts.used is None else contexts.named.get(contexts.used)
