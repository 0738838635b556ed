"""Programs that the exec sink runs."""

from __future__ import annotations

import sys
from typing import Any

from plugins.sinks.exec import Exec, ExecOptions

PYTHON = sys.executable


def program_sink(code: str, **options: Any) -> Exec:
    """A sink that runs this Python."""
    read = ExecOptions.model_validate({"command": [PYTHON, "-c", code], "cwd": "/", **options})
    return Exec("job", read, http=None, log=None)  # type: ignore[arg-type]
