"""Field types for options and settings: durations, sizes, rates, globs, URLs, paths, zones and secrets, read from text."""

from gateway.fields.locale import Language, Timezone
from gateway.fields.quantities import (
    Bounds,
    Duration,
    Rate,
    Size,
    between,
    format_duration,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)
from gateway.fields.texts import ONE_OR_MANY, ConfigPath, Glob, Globs, Proxy, SecretUrl, Url
from gateway.text.secret import MASK, Secret, SecretRule, secret, secrets_of

__all__ = [
    "MASK",
    "ONE_OR_MANY",
    "Bounds",
    "ConfigPath",
    "Duration",
    "Glob",
    "Globs",
    "Language",
    "Proxy",
    "Rate",
    "Secret",
    "SecretRule",
    "SecretUrl",
    "Size",
    "Timezone",
    "Url",
    "between",
    "format_duration",
    "format_size",
    "parse_duration",
    "parse_rate",
    "parse_size",
    "secret",
    "secrets_of",
]
