"""What the listeners take of uvicorn: its server, its protocol, and none of what starts processes and configures logs."""

from __future__ import annotations

from gateway.runtime.lean_imports import import_uvicorn

import_uvicorn()  # before the lines below, which find it

from uvicorn.config import Config  # noqa: E402
from uvicorn.protocols.http.flow_control import FlowControl  # noqa: E402
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle  # noqa: E402
from uvicorn.server import Server, ServerState  # noqa: E402

__all__ = ["STATUS_LINE", "Config", "FlowControl", "HttpToolsProtocol", "RequestResponseCycle", "Server", "ServerState"]
