"""The command line. `main` is the console script; `gateway health` leaves here before anything but the standard library is loaded."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys

_CANNOT_BE_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main() -> None:
    """Run the command line and exit: 0 well, 1 the answer is no or cannot be written, 2 wrong use."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_missing()
    try:
        try:
            _run_command()
        finally:
            sys.stdout.flush()  # here and not at the exit, where Python would answer with a traceback
    except BrokenPipeError:
        _give_up_answering()
        sys.exit(1)
    except OSError as error:
        if error.errno not in _CANNOT_BE_WRITTEN:
            raise
        _give_up_answering()
        with contextlib.suppress(OSError):
            print(f"Error: the answer cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _open_missing() -> None:
    """Let a closed standard stream lead nowhere, because else what is opened next gets its number, such as the store's file."""
    from gateway.runtime.standard_streams import LostStream, open_missing

    open_missing()
    sys.stdin = sys.stdin or LostStream(0)
    sys.stdout = sys.stdout or LostStream(1)
    sys.stderr = sys.stderr or LostStream(2)


def _give_up_answering() -> None:
    """What is left in the buffer goes nowhere, or Python would try it again at the exit."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _require_no_pipe(variable: str) -> None:
    """Libraries read what it names while they are imported, and would wait for a pipe without end."""
    with contextlib.suppress(OSError, ValueError):
        if stat.S_ISFIFO(os.stat(os.environ.get(variable, "")).st_mode):
            print(f"Error: {variable} names a pipe: let it name a regular file, or unset it", file=sys.stderr)
            sys.exit(2)


def _run_command() -> None:
    arguments = sys.argv[1:]
    os.environ.pop("SSLKEYLOGFILE", None)  # because every library that opens a connection would write its keys there
    _require_no_pipe("SSL_CERT_FILE")
    # because containers ask every few seconds, and click alone would double what that costs
    if arguments[:1] == ["health"] and "--help" not in arguments:
        from gateway.cli.health import health_main

        sys.exit(health_main(arguments[1:]))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # because a letter that the terminal lacks must not lose the answer
            stream.reconfigure(errors="backslashreplace")
    from gateway.cli.root import gateway

    gateway(prog_name="gateway")
