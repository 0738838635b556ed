"""Acme's cameras, mailboxes and shelf, for Recording Gateway. It leaves a mark where it is imported, for the test."""

import os
from pathlib import Path

if mark := os.environ.get("ACME_IMPORTED"):
    Path(mark).write_text("imported")
