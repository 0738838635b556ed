"""A search that coverage leads, with atheris where it is installed: bodies that the vendor signed, whatever they are.

`python -m tests.fuzz.guided -max_total_time=60`; the arguments are libFuzzer's.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path


def main() -> int:
    if importlib.util.find_spec("atheris") is None:
        print("skipped: atheris is not installed (pip install atheris), so no search is led by coverage")
        return 0
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["plugins.sources", "gateway.text", "gateway.events", "gateway.fields"]):
        from tests.fuzz.campaign import campaign
        from tests.fuzz.mutants import SOURCES, bodies
        from tests.fuzz.vendors_side import sign

    loop = asyncio.new_event_loop()
    opened = campaign()
    one = loop.run_until_complete(opened.__aenter__())

    def try_one(data: bytes) -> None:
        if not data:
            return
        source = SOURCES[data[0] % len(SOURCES)]
        loop.run_until_complete(one.send_all([(0, sign(source, data[1:], one.ledger), False)]))
        if one.report.findings:
            raise AssertionError(one.report.findings[0])

    with tempfile.TemporaryDirectory(prefix="guided-") as folder:
        for place, source in enumerate(SOURCES):
            for number, body in enumerate(bodies(source)):
                (Path(folder) / f"{place}-{number}").write_bytes(bytes([place]) + body)
        atheris.Setup([*sys.argv, "-max_len=4096", f"-artifact_prefix={folder}/", folder], try_one)
        atheris.Fuzz()  # ends the process
    return 0


if __name__ == "__main__":
    sys.exit(main())
