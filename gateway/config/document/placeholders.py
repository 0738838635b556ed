"""What stands for a value that is not on this machine, so that `check --no-secrets` can check the rest."""

from __future__ import annotations

import base64
import enum
import hashlib
import types
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from gateway.config.document.nodes import Scalar
from gateway.config.document.substitution import PLACEHOLDER
from gateway.fields import Rate
from gateway.text.secret import Secret

_URL: Final = "https://placeholder.invalid/placeholder"
_TEXTS: Final = (PLACEHOLDER, _URL, "127.0.0.1", "UTC", "1", "1s", "1/s")
_NUMBERS: Final = (1, 0, 10, 100, 1000, 10_000, 100_000, 1_000_000)
_DURATIONS: Final = ("1s", "1m", "1h", "1d", "30d", "0")
_SIZES: Final = ("1KiB", "1MiB", "256MiB", "1GiB", "1")
ATTEMPTS_MAX: Final = 11  # more than any of these has


def stand_in(scalar: Scalar, annotation: object, metadata: Sequence[object] = ()) -> object:
    """The value to try now; `scalar.tried` counts those that a validator refused."""
    options = _options(annotation, metadata, _secrets(scalar.path))
    if scalar.text != PLACEHOLDER:  # part of the text is known: try it first
        options = (scalar.text, *options)
    return options[scalar.tried % len(options)]


def _secrets(path: str) -> tuple[str, ...]:
    """Long enough for every key: of the form that Standard Webhooks wants, a URL, and hexadecimal, which is base64 too.

    Each place has its own, because a list of keys that are all the same is something to warn of.
    """
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass"))
    return "whsec_" + base64.b64encode(digest.digest()).decode(), _URL, digest.hexdigest()


def _options(annotation: object, metadata: Sequence[object], secrets: tuple[str, ...]) -> tuple[object, ...]:
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        return _options(annotation, (*more, *metadata), secrets)
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(
            option
            for branch in get_args(annotation)
            if branch is not type(None)
            for option in _options(branch, metadata, secrets)
        )
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) is tuple:  # one may stand for a list
        return _options(get_args(annotation)[0], metadata, secrets)
    for one in metadata:
        if own := getattr(one, "stand_ins", ()):  # because a type of a plugin's own may want what nobody here knows
            return tuple(own)
    if isinstance(annotation, type):
        if issubclass(annotation, Secret):
            return secrets
        if issubclass(annotation, enum.Enum):
            return tuple(member.value for member in annotation)
        for kind, options in _BY_TYPE:
            if issubclass(annotation, kind):
                return _SIZES if kind is int and any(hasattr(one, "reads_text") for one in metadata) else options
    return (*_TEXTS, *secrets)


_BY_TYPE: Final[tuple[tuple[type[object], tuple[object, ...]], ...]] = (
    (bool, (True, False)),
    (int, _NUMBERS),
    (float, _NUMBERS),
    (timedelta, _DURATIONS),
    (Rate, ("1/s",)),
    (Path, ("/placeholder",)),
    (datetime, ("2000-01-01T00:00:00Z", "2999-01-01T00:00:00Z")),
)
