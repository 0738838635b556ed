"""The bytes of a configuration file: regular, bounded, and never waited for."""

from __future__ import annotations

import errno
from pathlib import Path

from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.document.yaml import DOCUMENT_BYTES_MAX
from gateway.text.file_trouble import file_trouble
from gateway.text.regular_file import NotRegular, exposed_to_others, open_regular


def read_bounded(path: Path) -> tuple[bytes, bool]:
    """The bytes of the file, at most one more than may be, and whether too many may read it. Raises ConfigError."""
    try:
        with open_regular(path) as opened:
            return opened.read(DOCUMENT_BYTES_MAX + 1), exposed_to_others(opened)
    except NotRegular:
        found = "a folder" if path.is_dir() else "not a regular file"
        raise ConfigError([Diagnostic(file=str(path), found=found, expected="a YAML file")]) from None
    except OSError as error:
        raise ConfigError(
            [
                Diagnostic(
                    file=str(path),
                    found=f"a file that cannot be read: {file_trouble(path, error)}",
                    expected="a YAML file",
                    hint=_hint(error),
                )
            ]
        ) from None


def _hint(error: OSError) -> str:
    """What to do: a file that is there and may not be read is not to be written anew."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "who runs this (`id -un`) must be able to read it and to enter its folders: chown or chmod"
    return "`gateway init` writes one"
