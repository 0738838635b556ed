"""Rows with names that would like to be more."""

from __future__ import annotations

SECONDS_MAX = 20.0
