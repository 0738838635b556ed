"""The sink `redis`: adds each event to a Redis stream, where consumer groups read it."""

from plugins.sinks.redis.sink import Redis

__all__ = ["Redis"]
