"""Documents, odd and large ones, and how they are refused."""

from __future__ import annotations

from hypothesis import strategies as st

# --- what is repaired, each as the whole document, what is kept of it, and what is named


def nested(depth: int, inner: str = "1") -> bytes:
    return ('{"a":' * depth + inner + "}" * depth).encode()


# --- properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**66), 2**66) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
