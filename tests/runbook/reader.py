"""Whoever follows the page: runs its `gateway …` commands as they stand, and does by hand what else it says."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from tests.cli.conftest import run
from tests.commands import invoke
from tests.patience import PATIENCE_S
from tests.runbook.page import PAGE, incidents
from tests.running import KEY, SECRET, Receiver, Running

TOKEN = "an-operator-of-the-runbook-0123456789"
Hands = Mapping[str, Callable[[], object]]  # by how a line begins that is no command of the gateway


def sinks(**urls: str) -> str:
    """Forwards to these URLs, by name."""
    lines = [
        f"  {name}: {{type: forward, url: '{url}', sign: {{scheme: standard-webhooks, secrets: ['{SECRET}']}},"
        " delivery: {order: stream, retry: {initial: 50ms, max: 100ms}}}\n"
        for name, url in urls.items()
    ]
    return "sinks:\n" + "".join(lines)


def source(key: str = KEY, more: str = "") -> str:
    return (
        f"sources: {{live: {{type: huawei-live, keys: ['{key}'], domains: [push.example.com], apps: [live]{more}}}}}\n"
    )


def everything_to(*names: str) -> str:
    return f"routes: [{{name: all, to: [{', '.join(names)}]}}]\n"


class Reader:
    """One gateway in trouble, and the steps of one incident, which are taken one after the other."""

    def __init__(
        self, incident: str, folder: Path, config: str, store: str = "sqlite:///gateway.db", more: str = ""
    ) -> None:
        self.gateway = Running(folder, config, store=store, store_more=more, environ={"GATEWAY_TOKEN": TOKEN})
        text = self.gateway.path.read_text()
        self._head = text.removesuffix(config).replace("admin: {", f"admin: {{token: {TOKEN}, ")
        self.edit(config)
        self._left = list(incidents(PAGE.read_text())[incident])

    def edit(self, config: str) -> None:
        """What `$EDITOR gateway.yaml` leaves."""
        self.gateway.path.write_text(self._head + config)

    def follow(self, step: str, hands: Hands | None = None, /, **names: object) -> str:
        """Take the next step of the page with these names for its own; what its commands said. Looking may say no."""
        wanted, lines = self._left.pop(0)
        assert wanted == step
        said = []
        for line in lines:
            if not line.startswith("gateway "):
                done = [act for start, act in (hands or {}).items() if line.startswith(start)]
                assert done, f"the page says {line!r}, and the play does nothing"
                done[0]()
                continue
            code, output = self._run(" ".join(str(names.get(word, word)) for word in line.split()))
            assert code == 0 or (step == "look" and code == 1), f"{line}: {code}\n{output}"
            said.append(output)
        return "\n".join(said)

    def _run(self, line: str) -> tuple[int, str]:
        input = None
        for command in line.split(" | "):
            words = shlex.split(command)[1:]
            if words[0] == "health":  # which is no command of the others' kind
                environ = {"GATEWAY_HEALTH_URL": f"http://127.0.0.1:{self.gateway.admin}"}
                done = run(words, cwd=self.gateway.folder, environ=environ)
                return done.returncode, done.stdout + done.stderr
            result = invoke(words, cwd=self.gateway.folder, environ=self.gateway.environ, input=input)
            input = result.stdout
        return result.exit_code, result.output

    def __enter__(self) -> Self:
        self.gateway.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.gateway.__exit__()
        assert kind or not self._left, f"the play leaves out {self._left}"


def settled(receiver: Receiver, count: int) -> None:
    assert receiver.wait_for(lambda one: len(set(one.ids)) >= count, PATIENCE_S), receiver.ids
