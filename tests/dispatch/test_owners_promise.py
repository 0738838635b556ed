"""The promise of owners, in a process that is killed: one hangs, one fails, one is missing, and all others get everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.patience import until
from tests.running import KEY, Player, Receiver, Running, receiving

OWNERS = 12
EVENTS_EACH = 4
AT_ONCE_S = 10.0  # twenty that hang for five seconds each, four at a time, take longer
CONFIG = f"""sources:
  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live]}}
sinks:
  people:
    type: forward
    directory: {{file: owners.csv, key: event.data.stream}}
    delivery: {{timeout: 5s, concurrency: 4, retry: {{initial: 200ms, max: 1s}}}}
routes: [{{to: people}}]
"""


def send(running: Running, player: Player, stream: str) -> str:
    status, answer = running.post(player.body(fields={"stream": stream}))
    assert status == 200
    (id_,) = answer["events"]
    return str(id_)


def states(running: Running) -> list[str]:
    return [row["state"] for row in running.listing("deliveries", "list", "--limit", "500")]


@pytest.mark.slow
@pytest.mark.process
def test_the_others_get_everything_at_once_and_a_kill_loses_nothing(tmp_path: Path) -> None:
    with receiving() as good, receiving() as hanging, receiving(500) as failing:
        hanging.delay = 600.0
        targets: dict[str, Receiver] = {f"o{n}": good for n in range(OWNERS)} | {"hangs": hanging, "fails": failing}
        (tmp_path / "one").mkdir(exist_ok=True)
        table = tmp_path / "one" / "owners.csv"
        running = Running(tmp_path / "one", CONFIG)
        table.write_text("owner,url\n" + "".join(f"{name},{at.url}/{name}\n" for name, at in targets.items()))
        player = Player()
        with running:
            for stream in ("hangs", "fails", "nobody"):
                for _ in range(20):
                    send(running, player, stream)
            sent = [send(running, player, f"o{n}") for n in range(OWNERS) for _ in range(EVENTS_EACH)]
            assert good.wait_for(lambda seen: set(seen.ids) >= set(sent), within=AT_ONCE_S), (
                "nobody waited for the others"
            )
            later = [send(running, player, f"o{n}") for n in range(OWNERS)]
            running.kill()
            running.start()
            later += [send(running, player, f"o{n}") for n in range(OWNERS)]
            assert good.wait_for(lambda seen: set(seen.ids) >= {*sent, *later})
            mended = "".join(f"{name},{good.url}/{name}\n" for name in [*targets, "nobody"])
            table.write_text(f"owner,url\n{mended}")
            running.cli("deliveries", "retry", "--sink", "people", "--yes")
            hanging.stopped.set()  # what hung is answered, and the rest goes to the mended target
            everything = 60 + len(sent) + len(later)
            until(lambda: set(states(running)) <= {"delivered", "dead"})
            if "dead" in states(running):  # those of nobody that were retried before the table was taken
                running.cli("deliveries", "retry", "--sink", "people", "--yes")
            until(lambda: states(running) == ["delivered"] * everything)
