"""A network namespace of a scenario's own: another host, joined to this one by a link that can be unplugged or lose packets."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from typing import Self

import pytest

from tests.patience import PATIENCE_S

_NUMBERS = itertools.count(os.getpid() * 16)
NETWORK = "198.18"  # /15 is kept for tests of networks (RFC 2544), so that no real network is in the way
QUEUE = ("tbf", "rate", "400kbit", "burst", "4kb", "limit", "6kb")  # a slow line whose short queue overflows
LOSS = ("netem", "loss", "20%")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=PATIENCE_S)


class Link:
    """`address` is the other host's, where `inside` starts programs. Skips where namespaces cannot be made, and says why."""

    def __init__(self) -> None:
        number = next(_NUMBERS) % 16384
        word = secrets.token_hex(3)
        self._name = f"gw-{word}"
        self._ours, self._theirs = f"gw{word}a", f"gw{word}b"
        first = number * 4
        self._here, self.address = (f"{NETWORK}.{first >> 8}.{(first & 255) + n}" for n in (1, 2))
        self.losing = ""  # how packets are lost, in words

    def __enter__(self) -> Self:
        if missing := [one for one in ("ip", "tc", "nsenter") if shutil.which(one) is None]:
            pytest.skip(f"{', '.join(missing)} not installed (Debian: apt-get install iproute2 util-linux)")
        try:
            _run("ip", "netns", "add", self._name)
            _run("ip", "link", "add", self._ours, "type", "veth", "peer", "name", self._theirs, "netns", self._name)
            _run("ip", "addr", "add", f"{self._here}/30", "dev", self._ours)
            _run("ip", "link", "set", self._ours, "up")
            self._there("addr", "add", f"{self.address}/30", "dev", self._theirs)
            self._there("link", "set", self._theirs, "up")
            self._there("link", "set", "lo", "up")
        except (OSError, subprocess.SubprocessError) as error:
            said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
            self.__exit__()
            pytest.skip(f"network namespaces cannot be made here (they need root): {said}")
        return self

    def __exit__(self, *exception: object) -> None:
        for words in (("link", "del", self._ours), ("netns", "del", self._name)):
            subprocess.run(("ip", *words), check=False, capture_output=True, timeout=PATIENCE_S)

    def _there(self, *words: str) -> None:
        _run("ip", "-n", self._name, *words)

    def inside(self, *, user: int = 0, group: int = 0) -> Sequence[str]:
        """What stands before a command that is to run there, as this user."""
        return ("nsenter", f"--net=/run/netns/{self._name}", f"--setuid={user}", f"--setgid={group}", "--")

    def unplug(self, *, far: bool = False) -> None:
        """Our end goes down, so that this host has no way there; `far`: theirs does, and what is sent is lost in silence."""
        self._there("link", "set", self._theirs, "down") if far else _run("ip", "link", "set", self._ours, "down")

    def plug_in(self) -> None:
        """Both ends are up."""
        _run("ip", "link", "set", self._ours, "up")
        self._there("link", "set", self._theirs, "up")

    def lose(self) -> None:
        """Packets are lost in both directions: by chance where the kernel can, else in queues that overflow."""
        for how in (LOSS, QUEUE):
            try:
                _run("tc", "qdisc", "replace", "dev", self._ours, "root", *how)
                _run("tc", "-n", self._name, "qdisc", "replace", "dev", self._theirs, "root", *how)
            except subprocess.CalledProcessError as error:
                said = error.stderr.strip()
                continue
            self.losing = " ".join(how)
            return
        pytest.skip(f"this kernel loses no packets when it is asked to: {said}")

    def heal(self) -> str:
        """None is lost any more; what tc counted at our end."""
        counted = subprocess.run(
            ("tc", "-s", "qdisc", "show", "dev", self._ours),
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        ).stdout
        _run("tc", "qdisc", "del", "dev", self._ours, "root")
        _run("tc", "-n", self._name, "qdisc", "del", "dev", self._theirs, "root")
        return counted
