"""The command line. `main` is the console script; `gateway health` leaves here before anything but the standard library is loaded."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """Run the command line and exit: 0 well, 1 the answer is no, 2 wrong use."""
    arguments = sys.argv[1:]
    os.environ.pop("SSLKEYLOGFILE", None)  # because every library that opens a connection would write its keys there
    # because containers ask every few seconds, and click alone would double what that costs
    if arguments[:1] == ["health"] and "--help" not in arguments:
        from gateway.cli.health import run

        sys.exit(run(arguments[1:]))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # because a letter that the terminal lacks must not lose the answer
            stream.reconfigure(errors="backslashreplace")
    from gateway.cli.root import gateway

    gateway(prog_name="gateway")
