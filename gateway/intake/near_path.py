"""Whether a path that names no source is nearly one that does, so that a vendor who calls a wrong URL can be found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from gateway.text.suggest import PATH_LIKENESS_MIN, nearest

_PREFIX: Final = "/hooks/"
_PATH_CHARS_MAX: Final = 200  # characters of a path that is compared
_PATHS_MAX: Final = 100  # configured ones that it is compared with


def near_path(path: str, sources: Mapping[str, str]) -> str | None:
    """What is wrong with it, naming the source that is meant; never the source's own path, which may be secret.

    `sources`: the name of the source at each path after /hooks/.
    """
    plain = unquote(path)[:_PATH_CHARS_MAX].strip()
    bare = plain.strip("/")
    tail = bare.rpartition("/")[2]
    for known, name in list(sources.items())[:_PATHS_MAX]:
        where = f"this is not the callback URL of the source {name}"
        if bare in (known, f"hooks/{known}"):
            if not plain.startswith(_PREFIX):
                return f"{where}: it must begin with {_PREFIX}"
            return f"{where}: a slash or an escape is too much"
        if bare.lower() in (known.lower(), f"hooks/{known}".lower()):
            return f"{where}: upper and lower case differ"
        if tail in (known, name):
            return f"{where}, though it ends like it" if tail == known else f"{where}, which has a path of its own"
        if nearest(tail, (known,), PATH_LIKENESS_MIN):
            return f"{where}, but nearly"
    return None
