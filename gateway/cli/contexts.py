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
    """The file they are kept in. Raises GatewayError where nobody knows the user's home, as of a number without a name."""
    try:
        base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    except RuntimeError:
        raise GatewayError("this user has no home folder; XDG_CONFIG_HOME names where contexts are kept") from None
    return Path(base) / "recording-gateway" / "contexts.json"


def all_contexts() -> Contexts:
    """Those that are kept; none where there is no place for them. Raises GatewayError for a file that cannot be read."""
    try:
        file = path()
    except GatewayError:
        return Contexts({})
    try:
        content = json.loads(file.read_text())
        named = {name: Context(**one) for name, one in content["contexts"].items()}
        return Contexts(named, content.get("used"))
    except FileNotFoundError:
        return Contexts({})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise GatewayError(f"{file} cannot be read: mend it, or delete it") from None


def write(contexts: Contexts) -> None:
    """Keep them, for this user alone. Raises GatewayError where they cannot be kept."""
    content = {"used": contexts.used, "contexts": {name: asdict(one) for name, one in contexts.named.items()}}
    file = path()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = file.with_suffix(".new")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            json.dump(content, opened, indent=2)
        beside.replace(file)
    except OSError as error:  # a home that is read-only, as in many containers
        why = f"{file} cannot be written: {error.strerror}; XDG_CONFIG_HOME names another place"
        raise GatewayError(why) from None


def used() -> Context | None:
    """The one in use."""
    contexts = all_contexts()
    return None if contexts.used is None else contexts.named.get(contexts.used)
