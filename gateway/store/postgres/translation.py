"""Turns the shared statements into PostgreSQL's: psycopg's parameters, and the server's clock."""

from __future__ import annotations

import functools
import re
from typing import Final

_NOW: Final = "coalesce(%(now)s::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)"


@functools.cache
def translate(sql: str) -> str:
    """The shared text with psycopg's parameters; `:now` becomes the server's clock where the parameter is NULL."""
    return re.sub(
        r"(?<!:):([a-z][a-z_]*)",
        lambda match: _NOW if match[1] == "now" else f"%({match[1]})s",
        sql.replace("%", "%%"),
    )
