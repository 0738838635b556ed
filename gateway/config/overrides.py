"""Environment variables that say something else than the file: for images, which cannot edit it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.config.document.nodes import Scalar, Table, is_null

OVERRIDES: Final = {
    "GATEWAY_SERVER_HOST": ("server", "host"),
    "GATEWAY_ADMIN_HOST": ("admin", "host"),
    "GATEWAY_STORE": ("store", "url"),
}


def override(root: Table, file: Path, environ: Mapping[str, str]) -> None:
    """Put the values of GATEWAY_SERVER_HOST, GATEWAY_ADMIN_HOST and GATEWAY_STORE in their places."""
    for name, (section, key) in OVERRIDES.items():
        if not (value := environ.get(name)):
            continue
        there = root.entries.get(section)
        if section == "store" and isinstance(there, Scalar):
            there = None  # the short form
        if there is None or is_null(there):
            there = root.entries[section] = Table(file=str(file), path=section)
        if not isinstance(there, Table):
            continue  # a mistake that is reported as one
        if key == "host" and "uds" in there.entries:
            continue  # because an image names a host for everybody, and a unix socket has none
        there.entries[key] = Scalar(
            file=f"${name}",
            path=f"{section}.{key}",
            text=value,
            quoted=True,
            substituted=True,
            names=(f"${{{name}}}",),
        )
