"""Vectors of the vendor's formulas."""

from __future__ import annotations

EVERYTHING = ["md5", "hmac-sha256"]
