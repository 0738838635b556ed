"""Texts and values of any kind, as strangers may send them."""

from __future__ import annotations

from hypothesis import strategies as st

TEXT = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
