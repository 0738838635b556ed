"""The login of the tests."""

from __future__ import annotations

# --- who has got it ------------------------------------------------------------------------------------------------------

THREE = ["good@example.com", "late@example.com", "never@example.com"]
