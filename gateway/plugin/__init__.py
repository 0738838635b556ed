"""What a plugin author inherits from: Source and Sink, and what they are handed. The rest of the room is the core's."""

from gateway.plugin.base import Played, Response, Scene, Sink, Source
from gateway.plugin.callback import Callback
from gateway.plugin.options import Options

__all__ = ["Callback", "Options", "Played", "Response", "Scene", "Sink", "Source"]
