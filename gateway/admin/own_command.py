"""Runs a command of ours as a process of its own: what must not happen inside a gateway that carries deliveries."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import Problem

COMMAND_SECONDS_MAX: Final = 60.0
COMMANDS_AT_ONCE: Final = asyncio.Semaphore(2)
OUTPUT_BYTES_MAX: Final = 256 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Ran:
    """How it ended and what it said, as it would on a terminal."""

    code: int
    output: str
    error: str


async def run_own_command(config: Path, arguments: Sequence[str], *, input: str = "") -> Ran:
    """Run `gateway --config CONFIG ARGUMENTS`. Raises Problem 504 where it takes too long."""
    async with COMMANDS_AT_ONCE:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "--config", str(config), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS_MAX):
                output, error = await process.communicate(input.encode())
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise Problem(504, "took_too_long", f"it did not end within {COMMAND_SECONDS_MAX:g} s") from None
            raise
    texts = [text[:OUTPUT_BYTES_MAX].decode("utf-8", "replace") for text in (output, error)]
    return Ran(process.returncode or 0, *texts)
