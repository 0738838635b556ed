"""What is compiled is kept, whatever the machine says: imported first of the tests, before what they import is compiled.

Where a machine sets that variable, every process compiles what it imports: 9 s a worker, 0.3 s each of 150 gateways."""

from __future__ import annotations

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
