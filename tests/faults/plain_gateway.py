"""`gateway` between a store and a server that is asked for no more than the list, where much cannot be put in order.

`python -m tests.faults.plain_gateway SEED FILE …`: what was asked for beside the list is written into FILE.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from gateway.cli import main
from gateway.store.postgres.session import PostgresSession
from tests.plain_server import PROBE, PlainServer, stand_between


class WritingServer(PlainServer):
    """Also for whoever looks from another process."""

    def __init__(self, seed: int, file: Path) -> None:
        super().__init__(seed)
        self._file = file

    def refused(self, session: PostgresSession, shown: str) -> NoReturn:
        if PROBE not in shown:
            with self._file.open("a") as asked:
                asked.write(f"{shown}\n")
        super().refused(session, shown)


def command(folder: Path, seed: int) -> str:
    """What starts such a gateway."""
    words = folder / "gateway-on-a-plain-server"
    words.write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -m tests.faults.plain_gateway {seed} '{folder / 'asked'}' \"$@\"\n"
    )
    words.chmod(0o755)
    return str(words)


if __name__ == "__main__":
    _, seed_, file_, *arguments = sys.argv
    stand_between(WritingServer(int(seed_), Path(file_)))
    sys.argv = ["gateway", *arguments]
    main()
