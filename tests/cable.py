"""A port that leads to a server, until somebody cuts the cable or freezes what is in it."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import Self

from tests.ports import free_port

FAR = tuple[str, int] | str  # host and port, or the path of a unix socket


class Cable:
    """Leads to `far` from `port` on loopback.

    With `tls` its near end is encrypted, for a server that speaks none. A server that tells its callers to come to
    `named` is made to say `port` instead.
    """

    def __init__(self, far: FAR, tls: ssl.SSLContext | None = None, named: tuple[str, int] | None = None) -> None:
        self._far = far
        self._named = named
        self._tls = tls
        self._wires: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._flows = threading.Event()
        self._flows.set()
        self._counting = threading.Lock()
        self.port = free_port()  # nobody else comes there while it is cut
        self.connections = 0  # ever
        self.open = 0  # now
        self.delay_s = 0.0  # of each piece, either way
        self.deaf = False  # what the far end says is lost
        self.mend()

    def mend(self) -> None:
        """New connections are taken again, at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Every connection ends, and no new one is taken."""
        if self._listener is not None:
            with contextlib.suppress(OSError):  # a listener that is shut down says it is not connected
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.drop()

    def drop(self) -> None:
        """Every connection ends."""
        for wire in self._wires:
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        self._wires.clear()

    def freeze(self) -> None:
        """Nothing arrives any more at either end, and nobody is told."""
        self._flows.clear()

    def thaw(self) -> None:
        """What was held up arrives."""
        self._flows.set()

    def close(self) -> None:
        self.thaw()
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.socket(socket.AF_UNIX) if isinstance(self._far, str) else socket.socket()
            far.connect(self._far)
            self._wires += [near, far]
            threading.Thread(target=self._counted, args=(near, far), daemon=True).start()

    def _counted(self, near: socket.socket, far: socket.socket) -> None:
        with self._counting:
            self.open += 1
        try:
            self._carry(near, far)
        finally:
            with self._counting:
                self.open -= 1

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self._tls is not None:
                near = self._tls.wrap_socket(near, server_side=True, do_handshake_on_connect=False)
                stack.enter_context(near)
                self._wires.append(near)
                near.do_handshake()
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    data = ready.recv(65536)
                    while isinstance(ready, ssl.SSLSocket) and ready.pending():  # which `select` does not see
                        data += ready.recv(65536)
                    self._flows.wait()
                    if self.delay_s:
                        time.sleep(self.delay_s)
                    if self.deaf and ready is far and data:
                        continue
                    if self._named is not None and ready is far:
                        host, port = self._named
                        data = data.replace(host.encode() + port.to_bytes(4), host.encode() + self.port.to_bytes(4))
                    if not data:
                        return
                    (far if ready is near else near).sendall(data)
