"""Field types for options and settings: durations, sizes, rates, globs, URLs, paths, zones and secrets, read from text."""

from gateway.fields.config_file import CaFile, ConfigFile
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
from gateway.fields.texts import MAY_BE_EMPTY, ONE_OR_MANY, ConfigPath, Glob, Globs, NotEmpty, Proxy, SecretUrl, Url
from gateway.text.secret import MASK, Secret, SecretRule, secret, secrets_of

__all__ = [
    "MASK",
    "MAY_BE_EMPTY",
    "ONE_OR_MANY",
    "Bounds",
    "CaFile",
    "ConfigFile",
    "ConfigPath",
    "Duration",
    "Glob",
    "Globs",
    "Language",
    "NotEmpty",
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
