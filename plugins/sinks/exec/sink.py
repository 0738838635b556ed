"""The sink `exec`: one process an event; its exit code says what became of it."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from pathlib import Path
from typing import Final

from gateway import (
    MASK,
    BlockingWorker,
    Delivery,
    Refused,
    Retry,
    Sink,
    Trust,
    Unavailable,
    computed,
    redact,
    redact_start,
    to_json,
    visible,
)
from plugins.sinks.exec.child import OUTPUT_BYTES_MAX, Child, ChildEnd
from plugins.sinks.exec.options import OURS, ExecOptions
from plugins.sinks.min_trust import too_little_trust

_QUOTED_CHARS_MAX: Final = 200  # characters of the output in a receipt or an error
_REAP_SECONDS: Final = 2.0  # seconds in which what was killed must be gone
# What only the machine's state explains: too many processes or files, no memory; "text file busy" is being replaced.
_PASSING: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE, errno.ETXTBSY})


class Exec(Sink):
    """Runs the program in a group of its own that does not outlive the attempt."""

    type = "exec"
    Options = ExecOptions
    options: ExecOptions

    async def open(self) -> None:
        """See that there is something to run. Raises Unavailable, so that it is said at the start and not at an event."""
        if said := await asyncio.to_thread(self._lacks):
            raise Unavailable(said)

    async def deliver(self, delivery: Delivery) -> str:
        """What the exit code says. Raises Refused for an event that is trusted less than `min_trust`."""
        self._check(delivery)
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:  # then the kernel tells nobody how a program ended
            raise Unavailable("the gateway was started with SIGCHLD ignored, so no exit code can be read")
        said = await computed(lambda: to_json(delivery.event).encode() + b"\n", [delivery.event])
        child = Child(self.options.command, cwd=self.options.cwd, environ=self._environ(delivery), stdin=said)
        worker = BlockingWorker(f"exec {self.name}")  # a thread an attempt, because several may run at once
        try:
            ended = await worker.run(child.run_to_end)
        except OSError as error:
            raise self._unstarted(error) from None
        finally:
            child.kill()  # because an attempt that was cut off must leave nothing running
            await worker.close(_REAP_SECONDS)
        return self._outcome(ended)

    async def preview(self, delivery: Delivery) -> str:
        """The command, its surroundings and its input."""
        self._check(delivery)
        hidden = self.options.environment
        variables = [f"{name}={MASK if name in hidden else value}" for name, value in self._environ(delivery).items()]
        command = " ".join(map(repr, self.options.command))
        return "\n".join([f"command: {command}", f"cwd: {self.options.cwd}", *variables, "", to_json(delivery.event)])

    @property
    def wanted_trust(self) -> Trust:
        return self.options.min_trust

    def _lacks(self) -> str | None:
        program, folder = self.options.command[0], self.options.cwd
        if shutil.which(program, path=os.environ.get("PATH", os.defpath)) is None:
            there = "/" in program and Path(program).exists()
            return f"{program}: {'it is not an executable file' if there else 'there is no such program'}"
        return None if folder.is_dir() else f"cwd: {folder} is no folder"

    def _check(self, delivery: Delivery) -> None:
        if refusal := too_little_trust(delivery, self.options.min_trust, f"the sink {self.name} runs a program"):
            raise refusal

    def _environ(self, delivery: Delivery) -> dict[str, str]:
        """PATH, LANG and what begins with GATEWAY_; nothing that a stream's owner chose, and no variable of ours."""
        event = delivery.event
        values = (
            event.ref,
            event.type,
            event.source,
            event.trust.value,
            delivery.sink,
            str(delivery.attempt),
            "true" if delivery.replay else "false",
            event.supersedes,
        )
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            **{f"GATEWAY_{name}": visible(value) for name, value in zip(OURS, values, strict=True) if value},
            **{name: value.reveal() for name, value in self.options.environment.items()},
        }

    def _unstarted(self, error: OSError) -> Retry | Unavailable:
        reason = os.strerror(error.errno).lower() if error.errno else "it cannot be started"
        detail = f"{Path(self.options.command[0]).name}: {reason}"
        if error.errno in _PASSING:
            return Retry(detail, service=True)
        return Unavailable(f"{detail}; is the program there and executable, and `cwd` a folder?")

    def _outcome(self, ended: ChildEnd) -> str:
        options = self.options
        if ended.code in options.delivered:
            said = _words(ended.out)
            return f"exit {ended.code}: {said}" if said else f"exit {ended.code}"
        said = _words(ended.err or ended.out) or "no output"
        if ended.code < 0:
            raise Retry(f"ended by {_signal(-ended.code)}: {said}")
        detail = f"exit {ended.code}: {said}"
        if ended.code in options.retry:
            raise Retry(detail)
        if ended.code in options.unavailable:
            raise Unavailable(detail)
        raise Refused(detail)


def _words(output: bytes) -> str:
    text = output.decode("utf-8", "replace")
    if len(output) >= OUTPUT_BYTES_MAX:  # it was cut there, perhaps in the middle of a secret
        text = redact_start(text + "…", len(text))
    words = " ".join(redact(text).split())
    return visible(words[:_QUOTED_CHARS_MAX] + ("…" if len(words) > _QUOTED_CHARS_MAX else ""))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
