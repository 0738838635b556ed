"""A file that an option names and that is read: one that was exchanged makes the option another one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PosixPath
from typing import Annotated, Final

from pydantic import BaseModel, Field, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import PydanticCustomError, core_schema

from gateway.fields.texts import beside
from gateway.text.escaping import visible
from gateway.text.regular_file import NotRegular, open_regular, require_regular

_EXPECTED: Final = "a regular file, because it is read more than once: {path} is {kind}; write its content into a file"
BYTES_MAX: Final = 1024 * 1024  # that are looked at; certificates and keys have a few thousand


class NamedFile(PosixPath):
    """A path, and a digest of what the file held when the option was read (empty: it could not be).

    Equal to another one where both are, so that a reload remakes what was made of the old content. To anything else it is a path.
    """

    digest: bytes = b""

    @classmethod
    def as_found(cls, path: Path) -> NamedFile:
        named = cls(path)
        with suppress(OSError), open_regular(path) as file:  # who opens it says what is wrong with it
            named.digest = hashlib.blake2b(file.read(BYTES_MAX)).digest()
        return named

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and (not isinstance(other, NamedFile) or self.digest == other.digest)

    def __hash__(self) -> int:
        return super().__hash__()

    def __reduce__(self) -> tuple[object, ...]:
        return _with_digest, (str(self), self.digest)


def _with_digest(path: str, digest: bytes) -> NamedFile:
    named = NamedFile(path)
    named.digest = digest
    return named


class _Named:
    """Puts a relative path beside the configuration, and looks at the file. What is there and is no regular file is refused."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(self._place, handler(source))

    def _place(self, value: Path, info: ValidationInfo) -> NamedFile:
        path = beside(value, info)
        try:
            require_regular(path)
        except NotRegular as error:
            raise PydanticCustomError(
                "regular_file", _EXPECTED, {"path": visible(str(path)), "kind": error.kind}
            ) from None
        except (OSError, ValueError):
            pass  # who opens it says what is wrong with it
        return NamedFile.as_found(path)


def named_files(options: object) -> Iterator[NamedFile]:
    """The files that these options, or options in them, name."""
    match options:
        case NamedFile():
            yield options
        case BaseModel():
            for name in type(options).model_fields:
                yield from named_files(getattr(options, name))
        case tuple() | list():
            for one in options:
                yield from named_files(one)
        case Mapping():
            for one in options.values():
                yield from named_files(one)


ConfigFile = Annotated[Path, _Named()]
"""A file that is read, as certificates are; a relative path is beside the configuration file. It is watched like the configuration."""
CaFile = Annotated[
    ConfigFile | None,
    Field(description="A PEM file of authorities to trust instead of the system's, for a private CA."),
]
"""The option `ca` of a target that is reached over TLS: `ca: CaFile = None`."""
