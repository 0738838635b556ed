"""The sink `nats`: publishes each event into a stream of NATS JetStream."""

from plugins.sinks.nats.sink import Nats

__all__ = ["Nats"]
