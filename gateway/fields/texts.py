"""Globs, URLs and paths: texts that are checked as they are read, and never repeated in an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import PydanticCustomError, core_schema

from gateway.text.secret import Secret

_CLASS: Final = re.compile(r"\[!?+\]?+[^]]*+\]")  # a class of letters, as fnmatch takes it
_NOTHING: Final = translate("[b-a]")  # what fnmatch makes of a class without a letter


@dataclass(frozen=True, slots=True)
class _TextField:
    """A text that a check of ours accepts; the check raises ValueError with what was expected, never with the text."""

    check: Callable[[str], str]
    json: tuple[tuple[str, object], ...] = ()
    shown: bool = True  # errors may quote the text

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._parse, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        return {**handler(schema), **dict(self.json)}

    def _parse(self, value: Any) -> object:
        text = value.reveal() if isinstance(value, Secret) else value
        try:
            checked = self.check(text)
        except ValueError as error:
            raise PydanticCustomError("text", str(error)) from None
        return value if isinstance(value, Secret) else checked


def checked_text(check: Callable[[str], str], json: Mapping[str, object]) -> _TextField:
    """Beside `str`: what `check` gives for a text; it raises ValueError with what was expected. `json` is what JSON Schema says."""
    return _TextField(check, tuple(json.items()))


def _glob(text: str) -> str:
    if not text or len(text) > 256:
        raise ValueError("a text or a glob of 1 to 256 characters")
    if "[" in _CLASS.sub("", text):
        raise ValueError("a glob whose [ is closed, such as [abc]; a bracket itself is written [[]")
    if any(translate(letters) == _NOTHING for letters in _CLASS.findall(text)):
        raise ValueError("a glob that something can fit: a range in [ ] runs upwards, such as [a-z]")
    return text


def _url(text: str) -> str:
    expected = "a URL that begins with http:// or https:// and names a host"
    if not text.isprintable() or any(letter.isspace() for letter in text) or "\\" in text:
        raise ValueError(expected + ", without spaces, backslashes and control characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(expected + ", with a port from 1 to 65535 if any") from None
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise ValueError(expected)
    if port == 0:
        raise ValueError(expected + ", with a port from 1 to 65535 if any")
    if "@" in parts.netloc:
        raise ValueError("a URL without user name and password; send them as a header instead")
    return text


def _proxy(text: str) -> str:
    try:
        url = urlsplit(text)
        good = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError("a proxy such as http://user:password@proxy.internal:3128")
    return text


def _aslist(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class _OneOrMany:
    """Lets a single text stand for a list of one."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(_aslist, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        many = handler(schema)
        return {"anyOf": [many.get("items", {}), many]}


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """Beside the type of a list that means everything where it is left out: written down empty it is a mistake.

    The reader of the configuration looks for it, pydantic does not.
    """

    not_empty: str  # what an error says that was expected


class _MayBeEmpty:
    """What `MAY_BE_EMPTY` is: looked for by the reader of the configuration, nothing to pydantic."""

    may_be_empty = True


class _Beside:
    """Puts a relative path beside the configuration file, where the validation context names its folder as `base`."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(beside, handler(source))


def beside(path: Path, info: ValidationInfo) -> Path:
    """The path, beside the configuration file. Raises PydanticCustomError where it cannot be one."""
    if "\x00" in str(path) or not str(path).strip():
        raise PydanticCustomError("path", "a path")
    base = (info.context or {}).get("base")
    return path if base is None else Path(base) / path.expanduser()


ONE_OR_MANY: Final = _OneOrMany()
"""Takes one value where a list is expected: `Annotated[tuple[Secret, ...], ONE_OR_MANY]`."""

Glob = Annotated[str, _TextField(_glob, (("minLength", 1), ("maxLength", 256)))]
"""A text compared with fnmatch: case-sensitive, the whole value."""

MAY_BE_EMPTY: Final = _MayBeEmpty()
"""Beside the type of an option: a text without a character, or a written `null`, is a value of it, and not a mistake."""

Globs = Annotated[tuple[Glob, ...], NotEmpty("at least one glob; leave the key out to match everything"), ONE_OR_MANY]
"""One glob or a list of them; an empty list is refused, because it would mean nothing where its author meant something."""

Url = Annotated[str, _TextField(_url, (("format", "uri"), ("pattern", "^https?://")), shown=False)]
"""An http or https URL as text; it is checked, not changed."""

SecretUrl = Annotated[Secret, _TextField(_url)]
"""An http or https URL that is itself a credential, such as the address of a chat robot."""

Proxy = Annotated[Secret, _TextField(_proxy)]
"""The URL of an http or https proxy, credentials included."""

ConfigPath = Annotated[Path, _Beside()]
"""A path; a relative one is beside the configuration file, whatever the working directory is."""
