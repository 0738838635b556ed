"""Posts a card about a recording to a chat service: ten of them, each in a file of its own under `services`."""

from plugins.sinks.chat.sink import Chat

__all__ = ["Chat"]
