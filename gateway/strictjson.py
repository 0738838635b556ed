"""One strict JSON decoder for every source (SECURITY.md ING-01, ING-02): what it lets through, every store and sink can hold."""

# SKELETON: the source room fills it in.
from __future__ import annotations

from typing import Any


def decode_object(body: bytes) -> dict[str, Any]:
    """One JSON object, or Malformed saying what is wrong and where."""
    raise NotImplementedError
