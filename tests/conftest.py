"""What every room's tests share: one PostgreSQL for a whole run, started when the first test asks for it."""

from __future__ import annotations

import copy
import faulthandler
import gc
import logging
import os
import secrets
import signal
import sys
from collections.abc import Generator, Iterator
from itertools import count
from typing import Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

from gateway.runtime.lean_imports import import_structlog
from gateway.text import redaction
from tests import bytecode, covered, delivered_events  # noqa: F401
from tests.budget import measured, over_budget
from tests.encrypted_stores import encrypt_every_store
from tests.examples import register
from tests.few_messages import FewMessages
from tests.import_shares import ImportShares
from tests.marks import mark
from tests.plain_server import SERIALISABLE, PlainServer, stand_between
from tests.postgres import database_url, folder_of, in_memory, shared, wait_for_it
from tests.ready_stores import make

RUN = "PYTEST_RUN_OF_THE_GATEWAY"  # names the run to its workers: the process that began it, and a word nobody else has
GARBAGE = (
    10_000,
    10,
    10,
)  # objects and collections before the next one: Python's 700 is 1.5 % of the suite's work more
SIGNAL_LATE_S = 30.0  # after its time-out; then a test that no signal reached ends with its process
_databases = count(1)
register()
import_structlog()  # before a test imports it with rich, whose tracebacks print locals


def pytest_addoption(parser: pytest.Parser) -> None:
    reduced = "PostgreSQL without LISTEN, advisory locks and sequences, serialisable, where 40001 is often (a seed)"
    parser.addoption("--reduced", type=int, default=None, help=reduced)
    encrypted = "every store of the tests is encrypted (store.encryption)"
    parser.addoption("--encrypted", action="store_true", help=encrypted)
    faults = parser.getgroup("faults", "scenarios of tests/faults")
    faults.addoption("--seed", type=int, default=1, help="what is random in them; one that failed says its own")
    faults.addoption("--kills", type=int, default=100, help="of the long form, each after a thousand callbacks")
    faults.addoption("--whole", action="store_true", help="their long forms, some twenty minutes in all")


def pytest_configure(config: pytest.Config) -> None:
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # a shell's background job, and so would every process of a test
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--encrypted"):
        encrypt_every_store()
    if covered.is_counting():
        covered.count_hooks_too()
    config.pluginmanager.register(ImportShares())
    if hasattr(config, "workerinput"):  # a worker of pytest-xdist, which was told the run
        config.pluginmanager.register(FewMessages())
    else:
        os.environ[RUN] = f"{os.getpid()}-{secrets.token_hex(4)}"
        if (memory := in_memory()) and not config.getoption("--whole"):  # whose scenarios are about disks
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))  # of `tmp_path`: no test waits for a disk


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return 2 * (os.cpu_count() or 1)  # because a test waits for half its time: for processes, a server, a clock


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, Any, Any]:
    gc.disable()  # because what is imported and collected stays, and looking for garbage in it is a quarter of the work
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if " at 0x" in item.nodeid:  # of which each worker knows another: none would begin
            raise pytest.UsageError(f"a case that is named by where it lies in memory needs an id: {item.nodeid}")
        mark(item)
        if config.getoption("--reduced") is not None and item.get_closest_marker("whole_server"):
            item.add_marker(pytest.mark.skip("it speaks of what a plain server has not"))
        if config.getoption("--encrypted") and item.get_closest_marker("plain_rows"):
            item.add_marker(pytest.mark.skip("it looks at rows that are encrypted now"))
        if covered.is_counting() and (uncounted := item.get_closest_marker("uncounted")):
            item.add_marker(pytest.mark.skip(f"coverage counts lines: {uncounted.args[0]}"))


def pytest_collection_finish() -> None:
    gc.set_threshold(*GARBAGE)
    gc.freeze()  # because every collection of garbage would walk through twelve thousand tests that stay anyway


@pytest.hookimpl(wrapper=True, trylast=True)  # inside pytest's own, which has armed it with `faulthandler_timeout`
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that may take longer than most is not ended before its time by what ends one that no signal reaches."""
    mark = item.get_closest_marker("timeout")
    allowed = max(float(mark.args[0]) if mark else 0.0, float(item.config.getoption("timeout") or 0.0))
    if allowed + SIGNAL_LATE_S > float(item.config.getini("faulthandler_timeout") or 0.0) > 0.0:
        stderr = item.config.stash[fault_handler_stderr_fd_key]
        faulthandler.dump_traceback_later(allowed + SIGNAL_LATE_S, file=stderr, exit=True)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    delivered_events.watch()
    with measured(item):
        result = yield
    delivered_events.complain()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    over_budget(item, report)
    return report


def _learnt_here() -> Iterator[None]:
    before = redaction._process
    redaction._process = copy.copy(before)  # type: ignore[misc]
    yield
    redaction._process = before  # type: ignore[misc]


@pytest.fixture(autouse=True)
def _plugin_files_are_forgotten() -> Iterator[None]:
    """A file runs once in a process, and an older pytest gives the next test a folder of the same name."""
    yield
    for name in [name for name in sys.modules if name.startswith("gateway_file_")]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _lines_of_a_test() -> Iterator[None]:
    """How lines are written ends with the test that configured it: else a later one could not listen to them."""
    yield
    if (plain_lines := sys.modules.get("gateway.runtime.plain_lines")) is not None:
        plain_lines.use(None)
    logs = sys.modules.get("gateway.runtime.logs")
    root = logging.getLogger()
    ours = [handler for handler in root.handlers if logs is not None and isinstance(handler, logs.LibraryHandler)]
    if ours:  # it configured logs
        sys.modules["structlog"].reset_defaults()
        logging.captureWarnings(False)
    for handler in ours:
        root.removeHandler(handler)


# A process learns secrets for good: after a thousand tests each line would be searched for those of all of them.
_of_a_module = pytest.fixture(_learnt_here, scope="module", autouse=True)
_of_a_test = pytest.fixture(_learnt_here, autouse=True)


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of the run's PostgreSQL server. Tests that stop servers start one of their own."""
    wait_for_it()
    run = os.environ[RUN]
    return shared(folder_of(run), owner=int(run.partition("-")[0]))


@pytest.fixture(scope="session")
def _plain_server(request: pytest.FixtureRequest) -> Iterator[PlainServer | None]:
    """With `--reduced`: what stands between every store and its server."""
    seed = request.config.getoption("--reduced")
    if seed is None:
        yield None
        return
    server = PlainServer(seed)
    end = stand_between(server)
    yield server
    end()


@pytest.fixture(scope="session")
def _postgres_admin(postgres_server: str) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as admin:
        yield admin


@pytest.fixture
def postgres_url(
    postgres_server: str, _postgres_admin: Any, _plain_server: PlainServer | None, _refused_statements: None
) -> Iterator[str]:
    """The URL of an empty database, made for this test alone."""
    name = f"gateway_{os.getpid()}_{next(_databases)}"
    _postgres_admin.execute(f"CREATE DATABASE {name} STRATEGY file_copy")  # half the work, where no disk is waited for
    if _plain_server is not None:
        _postgres_admin.execute(SERIALISABLE.format(name))
    yield database_url(postgres_server, name)
    _postgres_admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: str, _postgres_admin: Any, _plain_server: PlainServer | None) -> str:
    """The name of a database that a gateway has been started on, once."""
    name = f"gateway_{os.getpid()}_ready"
    _postgres_admin.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    make(database_url(postgres_server, name))
    return name


@pytest.fixture
def postgres_store_url(
    postgres_server: str,
    _postgres_admin: Any,
    _postgres_template: str,
    _plain_server: PlainServer | None,
    _refused_statements: None,
) -> Iterator[str]:
    """The URL of a store without an event, for this test alone: a copy (tests/ready_stores.py)."""
    name = f"gateway_{os.getpid()}_{next(_databases)}"
    _postgres_admin.execute(f"CREATE DATABASE {name} TEMPLATE {_postgres_template} STRATEGY file_copy")
    if _plain_server is not None:
        _postgres_admin.execute(SERIALISABLE.format(name))
    yield database_url(postgres_server, name)
    _postgres_admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def _refused_statements(_plain_server: PlainServer | None) -> Iterator[None]:
    yield
    if _plain_server is not None:
        asked, _plain_server.asked = _plain_server.asked, []
        assert asked == [], "the store asked its server for what docs/scaling.md does not list"


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Because a report that quotes half an emoji cannot go from a worker to its run, and would end the whole run. And because
    nobody there asks for the names by which `-k` and `-m` would choose it, which are most of what would be sent."""
    data = yield
    return _writable({**data, "keywords": {}} if data is not None and "keywords" in data else data)


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_writable, value))
    return value
