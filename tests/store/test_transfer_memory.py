"""What is done with a whole store takes as much memory with a large one as with a small one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.store.transfer import transfers
from gateway.store.verify import verifier
from gateway.text.store_address import StoreAddress, parse_address
from tests.ready_stores import file_at
from tests.store.kit import beside
from tests.store.old_events import fill

EVENTS = 2_500  # with their bytes more than is read at once
BODY, RAW = '{"x": "' + "b" * 1_000 + '"}', b"r" * 800


def silent(_steps: int) -> Callable[[int], object]:
    return lambda _more: None


def peak(work: Callable[[], object]) -> int:
    """Bytes at most while it is done, beside those that were there."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def store_of(events: int, path: Path) -> StoreAddress:
    url = file_at(path)
    with beside(url) as session:
        fill(session, events, days=(40.0, 10.0), body=BODY, raw=RAW)
    return parse_address(url)


def looked_through(address: StoreAddress) -> None:
    with beside(f"sqlite:///{address.path}") as session:
        for _ in verifier.violations(lambda question: question(session)):
            pass


def peaks(address: StoreAddress, folder: Path) -> dict[str, int]:
    lines = folder / "lines"
    with lines.open("wb") as written:
        export = peak(lambda: transfers.export_to(address, written.write, silent))
    with lines.open("rb") as read:
        filled = parse_address(f"sqlite:///{folder}/filled.db")
        import_ = peak(lambda: transfers.import_from(filled, read, "lines", silent))
    copied = parse_address(f"sqlite:///{folder}/copied.db")
    return {
        "export": export,
        "import": import_,
        "copy": peak(lambda: transfers.copy(address, copied, silent)),
        "backup": peak(lambda: transfers.backup(address, folder / "backup.db", silent)),
        "verify": peak(lambda: looked_through(address)),
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_memory_does_not_grow_with_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        verifier, "PIECE_KEYS", 500
    )  # what is wrong in one is held, and of events with one body everything is
    found = []
    for events in (EVENTS, 3 * EVENTS):
        folder = tmp_path / str(events)
        folder.mkdir()
        found.append(peaks(store_of(events, folder / "gateway.db"), folder))
    small, large = found
    assert {name: large[name] / size for name, size in small.items() if large[name] > 1.25 * size} == {}
    assert max(large.values()) < 24 * 1024 * 1024, large
