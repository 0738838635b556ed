"""JSON as it is stored, sent and hashed: no blanks, letters as they are, no number that JSON does not have."""

from __future__ import annotations

import json
from typing import Final

# The encoders are made once, because making one costs as much as a short text.
encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""The text of a value. Raises ValueError for NaN and infinity, TypeError for what JSON does not know."""
encode_sorted: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True
).encode
"""`encode` with the keys in order, so that equal values are equal texts."""
