"""What the suite promises whoever runs it: it ends, it leaves nothing behind, and it is the same at every run."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.budget import WORKED_S, over_budget
from tests.marks import mark, starts_process
from tests.patience import PATIENCE_S, until
from tests.running import Running
from tests.syntax import ROOT, last_name, python_files, tree, walked
from tests.wide import is_there, long_ones, wide_tests


@contextmanager
def suite(folder: Path, test: str, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """pytest with our settings and fixtures over one file of tests, in a process group of its own."""
    (folder / "test_it.py").write_text(textwrap.dedent(test))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        ROOT / "pyproject.toml",
        "-p",
        "no:cacheprovider",
    ]
    with subprocess.Popen(
        [*command, "-p", "tests.conftest", *arguments, folder / "test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            yield run
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)


def ran(folder: Path, test: str, *arguments: str, **environ: str) -> str:
    with suite(folder, test, *arguments, **environ) as run:
        return run.communicate(timeout=PATIENCE_S)[0]


def left_by(run: int) -> list[str]:
    """PostgreSQL servers, their keepers and their folders that are named after this run."""
    name = f"gw-pg-{run}-"
    lines = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    folders = [str(one) for place in ("/tmp", "/dev/shm") for one in Path(place).glob(f"{name}*")]
    return [line for line in lines if name in line] + folders


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "with workers"])
def test_a_killed_suite_leaves_no_postgresql_behind(tmp_path: Path, workers: list[str]) -> None:
    test = """
        import pathlib, time
        def test_it(postgres_url):
            (pathlib.Path(__file__).parent / "go").touch()
            time.sleep(50)
    """
    with suite(tmp_path, test, *workers) as run:
        until((tmp_path / "go").exists)
        assert left_by(run.pid)
        os.killpg(run.pid, signal.SIGKILL)
    until(lambda: not left_by(run.pid))


def test_a_suite_that_ends_leaves_no_postgresql_behind(tmp_path: Path) -> None:
    with suite(tmp_path, "def test_it(postgres_url): pass") as run:
        assert "1 passed" in run.communicate(timeout=PATIENCE_S)[0]
    until(lambda: not left_by(run.pid))


def test_a_test_that_waits_without_end_fails_and_shows_what_every_thread_does(tmp_path: Path) -> None:
    test = """
        import threading
        def stuck_in_the_thread(): threading.Barrier(2, timeout=50).wait()
        def test_it():
            threading.Thread(target=stuck_in_the_thread, daemon=True).start()
            threading.Event().wait()
        async def test_the_loop():
            import asyncio
            await asyncio.Event().wait()
        def test_next(): pass
    """
    said = ran(tmp_path, test, "--timeout", "0.7")
    assert "2 failed, 1 passed" in said
    assert "Timeout (>0.7s)" in said
    assert "stuck_in_the_thread" in said


def test_where_no_signal_reaches_it_the_process_ends_but_not_before_the_time_that_a_test_was_given(
    tmp_path: Path,
) -> None:
    test = """
        import time, pytest
        @pytest.mark.timeout(4)
        def test_that_takes_its_time(): time.sleep(1.5)
        @pytest.mark.timeout(0.5)
        def test_it(): sum(iter(int, 1))  # in C
        def test_next(): pass
    """
    monitor = "from tests import conftest; conftest.SIGNAL_LATE_S = 0.5"
    said = ran(tmp_path, f"{monitor}\n{textwrap.dedent(test)}", "-vv", "-o", "faulthandler_timeout=1")
    assert "test_that_takes_its_time PASSED" in said
    assert "in test_it" in said  # the stacks
    assert "test_next" not in said


def test_an_exception_in_a_thread_fails_the_test_that_started_it(tmp_path: Path) -> None:
    test = """
        from tests import threads
        def fails(): raise ValueError("in the thread")
        def test_it(): threads.end(threads.start(fails))
    """
    said = ran(tmp_path, test)
    assert "1 failed" in said
    assert "in the thread" in said


def test_a_thread_that_does_not_end_fails_its_test_and_keeps_no_process(tmp_path: Path) -> None:
    test = """
        import threading
        from tests import threads
        def test_it(): threads.end(threads.start(threading.Event().wait), within=0.1)
    """
    assert "does not end" in ran(tmp_path, test)


@pytest.mark.slow
def test_a_property_is_tried_with_the_same_examples_at_every_run(tmp_path: Path) -> None:
    test = """
        import os, pathlib
        from hypothesis import given, strategies as st
        from tests.examples import examples
        seen, few = [], []
        @given(st.text())
        def test_it(text): seen.append(text)
        @given(st.text())
        @examples(7)
        def test_few(text): few.append(text)
        def test_what_was_seen():
            (pathlib.Path(__file__).parent / os.environ["INTO"]).write_text(ascii((seen, few)))
    """
    for name in ("first", "second"):
        assert "3 passed" in ran(tmp_path, test, INTO=name, PYTHONHASHSEED="1" if name == "first" else "2")
    first, second = (ast.literal_eval((tmp_path / name).read_text()) for name in ("first", "second"))
    assert first == second
    assert len(first[1]) == 7
    ran(tmp_path, test, "--hypothesis-profile", "quick", INTO="quick")
    assert [len(tried) for tried in ast.literal_eval((tmp_path / "quick").read_text())] == [20, 1]
    ran(tmp_path, test, "--hypothesis-profile", "search", INTO="search")
    assert len(ast.literal_eval((tmp_path / "search").read_text())[1]) > 7


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_worker_finds_the_same_tests_in_the_same_order() -> None:
    """What one names by a set's order, the next worker would not find: `pytest -n` refuses to begin."""

    def collected(seed: str) -> str:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
        environ = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(
            command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True, timeout=PATIENCE_S
        ).stdout.rpartition("\n\n")[0]

    assert collected("1") == collected("2")


def test_what_a_test_starts_is_marked_by_what_it_reaches() -> None:
    assert starts_process(ran)
    assert starts_process(Running)
    assert starts_process(test_an_exception_in_a_thread_fails_the_test_that_started_it)
    assert not starts_process(left_open)
    put: list[str] = []
    for names, parameters in (
        (["postgres_server"], {}),
        (["url"], {"url": "postgresql"}),
        (["url"], {"url": "sqlite"}),
    ):
        fixtures = SimpleNamespace(name2fixturedefs={"running": [SimpleNamespace(func=lambda: Running)]})
        item = SimpleNamespace(
            fixturenames=names,
            callspec=SimpleNamespace(params=parameters),
            _fixtureinfo=fixtures,
            add_marker=put.append,
            nodeid="tests/test_x.py::test_x",
        )
        mark(item)  # type: ignore[arg-type]
    assert put == ["postgres", "process", "postgres", "process", "process"]


def test_the_list_of_wide_tests_names_tests_that_are_there(tmp_path: Path) -> None:
    gone = [name for name in wide_tests() if not is_there(name)]
    assert len(gone) <= len(wide_tests()) // 10, f"python -m tests.wide takes off what is gone: {gone}"
    cases = "".join(f'<testcase classname="tests.test_the_suite" name="test_it[{n}]" time="0.16"/>' for n in range(2))
    results = tmp_path / "results.xml"
    results.write_text(f'<s>{cases}<testcase classname="tests.test_the_suite" name="test_quick" time="0.2"/></s>')
    assert long_ones(results) == {"tests/test_the_suite.py::test_it"}


@pytest.mark.uncounted("there every test takes longer, and none fails by it")
def test_a_test_over_its_five_seconds_fails_unless_it_is_marked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)

    def outcome(seconds: float) -> str:
        report = pytest.TestReport("x", ("x", 1, "x"), {}, "passed", None, "call", duration=seconds)
        over_budget(request.node, report)
        return report.outcome

    assert (outcome(4.9), outcome(5.1)) == ("passed", "failed")
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5 * (os.cpu_count() or 1), 0.0, 0.0))
    assert outcome(5.1) == "passed"  # because on a busy machine everything takes longer
    assert outcome(7.6) == "failed"
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0 * (os.cpu_count() or 1), 0.0, 0.0))
    assert outcome(99) == "passed"  # nobody can say how long it would take alone
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    for worked, expected in (
        (9.9, "passed"),
        (10.1, "failed"),
    ):  # twice, because workers make each other's work cost more
        request.node.stash[WORKED_S] = worked
        assert outcome(99) == expected  # what it waited for others is not its own
    request.node.add_marker("slow")
    assert outcome(999) == "passed"


def _connects(call: ast.Call) -> bool:
    return last_name(call.func) == "connect" and ast.unparse(call.func) == "sqlite3.connect"


def left_open(file: ast.AST, text: str) -> Iterator[int]:
    """The lines where a connection to SQLite is made that nothing in the file closes. Python 3.13 says so of it whenever it
    likes: in the middle of another test, mostly."""
    for node in walked(file):
        for child in ast.iter_child_nodes(node):
            if not (isinstance(child, ast.Call) and _connects(child)):
                continue
            closed = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("closing")
            closed |= isinstance(node, ast.Attribute) and node.attr == "close"
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "optional_vars", None)
            closed |= target is not None and f"{ast.unparse(target)}.close()" in text
            if not (closed or isinstance(node, ast.Return)):
                yield child.lineno


def test_what_a_test_opens_of_sqlite_it_closes() -> None:
    texts = {path: path.read_text() for path in python_files("tests")}
    texts = {path: text for path, text in texts.items() if "sqlite3.connect(" in text}
    assert len(texts) > 10
    assert [f"{path}:{line}" for path, text in texts.items() for line in left_open(tree(path), text)] == []
    for text in ("sqlite3.connect(a).execute(b)", "with sqlite3.connect(a) as c: pass", "c = sqlite3.connect(a)"):
        assert list(left_open(ast.parse(text), text)) == [1]
