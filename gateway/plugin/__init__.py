"""What a plugin author inherits from: Source and Sink, and what they are handed. The rest of the room is the core's."""

from gateway.plugin.base import Options, Played, Response, Scene, Sink, Source
from gateway.plugin.callback import Callback

__all__ = ["Callback", "Options", "Played", "Response", "Scene", "Sink", "Source"]
