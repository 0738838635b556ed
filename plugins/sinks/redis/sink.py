"""XADD: one entry an event, several in one round trip, and with `deduplicate` none twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway import DeliveryFailed, Event, Unavailable
from plugins.sinks.redis.options import RedisOptions
from plugins.sinks.streams.cloud_event import StreamMessage
from plugins.sinks.streams.sink import StreamSink

if TYPE_CHECKING:
    from plugins.sinks.redis.pooled import RedisConnection

# KEYS: the stream, and what remembers the event. ARGV: milliseconds, then what XADD takes. In one script, because two
# gateways may carry the same event at once.
_ADD_ONCE: Final = """
local id = redis.call('GET', KEYS[2])
if id then return {id, 1} end
id = redis.call('XADD', KEYS[1], unpack(ARGV, 2))
redis.call('SET', KEYS[2], id, 'PX', ARGV[1])
return {id, 0}
"""


class Redis(StreamSink["RedisConnection"]):
    """Adds each event to a stream of Redis. Delivered when XADD has answered with the entry's id."""

    type = "redis"
    Options = RedisOptions
    options: RedisOptions
    broker = "Redis"
    libraries = ("redis.asyncio",)

    def _connection(self) -> RedisConnection:
        from plugins.sinks.redis.pooled import RedisConnection

        return RedisConnection(self.options)

    async def _greet(self, connection: RedisConnection) -> str:
        found = await connection.client.type(self.options.stream)
        kind = found.decode() if isinstance(found, bytes) else found
        if kind not in {"none", "stream"}:
            raise Unavailable(f"{self._where}: the key {self.options.stream!r} is a {kind}, not a stream")
        return "logged in; the stream is there" if kind == "stream" else "logged in; the stream will be made"

    async def _publish_all(
        self, connection: RedisConnection, messages: Sequence[StreamMessage]
    ) -> list[str | BaseException]:
        pipeline = connection.client.pipeline(transaction=False)
        for message in messages:
            pipeline.execute_command(*self._command(message))
        answers = await pipeline.execute(raise_on_error=False)
        return [answer if isinstance(answer, BaseException) else _receipt(answer) for answer in answers]

    def _command(self, message: StreamMessage) -> list[object]:
        options = self.options
        bound = [] if options.max_length is None else ["MAXLEN", "~", options.max_length]
        fields = [part for field in self._shown(message).items() for part in field]
        rest = [*bound, "*", *fields, "body", message.body]
        if options.deduplicate is None:
            return ["XADD", options.stream, *rest]
        # in braces, so that a cluster keeps it where the stream is
        milliseconds = int(options.deduplicate.total_seconds() * 1000)
        memory = f"{{{options.stream}}}:event:{message.id}"
        return ["EVAL", _ADD_ONCE, 2, options.stream, memory, milliseconds, *rest]

    def _shown(self, message: StreamMessage) -> Mapping[str, str]:
        return {"content-type": message.media_type, **message.named("ce-")}

    def _topic(self, event: Event) -> str:
        return self.options.stream

    def _judge(self, error: BaseException) -> DeliveryFailed:
        from plugins.sinks.redis.faults import judge

        return judge(error, self._where)


def _receipt(answer: Any) -> str:
    """XADD's own answer, or the script's: the id, and whether it was there already."""
    if isinstance(answer, list):
        return f"entry {answer[0].decode()}{'; it was there already' if answer[1] else ''}"
    return f"entry {answer.decode()}"
