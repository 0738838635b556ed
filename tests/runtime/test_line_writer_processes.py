"""Lines of whole processes: one whose file may grow no more, and one that forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_S

LOG_OF_25_BYTES = """
import os, resource, signal, sys
from gateway.runtime.line_writer import LineWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = LineWriter(os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), lambda lines: f"dropped {lines}")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (25, hard))
"""  # a file that takes no more, and a writer of it


def test_a_disk_that_was_full_and_has_room_again_is_told_with_whole_lines(tmp_path: Path) -> None:
    """A file that may not grow stands for the full disk: half a line gets in, the next one begins on a line of its own."""
    code = (
        LOG_OF_25_BYTES
        + """
for number in range(5):
    writer.write_line(f"line {number} .")
    writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.write_line("again")
writer.flush()
writer.write_line("and on")
writer.flush()
print(writer.dropped)
"""
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.stdout, done.stderr) == ("3\n", "")
    assert (tmp_path / "log").read_text().splitlines() == [
        "line 0 .",
        "line 1 .",
        "line 2 ",
        "again",
        "dropped 3",
        "and on",
    ]


def test_of_lines_that_go_together_only_those_that_did_not_get_in_are_counted(tmp_path: Path) -> None:
    code = (
        LOG_OF_25_BYTES
        + """
with writer._changed:  # so that none is written before all are there
    for number in range(5):
        writer.write_line(f"line {number} .")
writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.write_line("again")
writer.flush()
print(writer.dropped)
"""
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.stdout, done.stderr) == ("3\n", "")
    assert (tmp_path / "log").read_text().splitlines() == ["line 0 .", "line 1 .", "line 2 ", "again", "dropped 3"]


def test_a_child_made_by_fork_writes_for_itself_and_nothing_twice(tmp_path: Path) -> None:
    code = """
import os, sys
from gateway.runtime.line_writer import LineWriter
writer = LineWriter(1, str)
for number in range(50):
    writer.write_line(f"parent {number}")
child = os.fork()
if child == 0:
    writer.write_line("child")
    writer.flush()
    os._exit(0)
os.waitpid(child, 0)
writer.write_line("parent last")
writer.flush()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    lines = done.stdout.splitlines()
    assert sorted(lines) == sorted([*(f"parent {number}" for number in range(50)), "child", "parent last"])
