"""Forwards events over HTTP to another service: as an event or as the vendor's callback, signed as the receiver wants."""

from plugins.sinks.forward.options import ForwardOptions
from plugins.sinks.forward.sink import Forward

__all__ = ["Forward", "ForwardOptions"]
