"""What a plugin author inherits from: Source and Sink, and what they are handed. The rest of the room is the core's."""

from gateway.plugin.base import Callback, Options, Played, Response, Scene, Sink, Source

__all__ = ["Callback", "Options", "Played", "Response", "Scene", "Sink", "Source"]
