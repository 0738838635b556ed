"""XADD: one entry an event, several in one round trip, and with `deduplicate` none twice."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway import DeliveryFailed, Event, Unavailable
from plugins.sinks.redis.options import RedisOptions
from plugins.sinks.streams.cloud_event import StreamMessage
from plugins.sinks.streams.connection_keeper import CONNECT_SECONDS
from plugins.sinks.streams.sink import StreamSink

if TYPE_CHECKING:
    import redis.asyncio

_HEALTH_SECONDS: Final = 20  # seconds without a command, after which a connection is tried before it is used
# KEYS: the stream, and what remembers the event. ARGV: milliseconds, then what XADD takes. In one script, because two
# gateways may carry the same event at once.
_ADD_ONCE: Final = """
local id = redis.call('GET', KEYS[2])
if id then return {id, 1} end
id = redis.call('XADD', KEYS[1], unpack(ARGV, 2))
redis.call('SET', KEYS[2], id, 'PX', ARGV[1])
return {id, 0}
"""


class Redis(StreamSink["redis.asyncio.Redis"]):
    """Adds each event to a stream of Redis. Delivered when XADD has answered with the entry's id."""

    type = "redis"
    Options = RedisOptions
    options: RedisOptions
    broker = "Redis"
    libraries = ("redis.asyncio",)

    async def _connect(self) -> redis.asyncio.Redis:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options = self.options
        [endpoint] = options.endpoints
        client = redis.asyncio.Redis(
            host=endpoint.host,
            port=endpoint.port,
            db=options.database,
            username=options.username,
            password=options.password.reveal() if options.password else None,
            client_name="recording-gateway",
            protocol=2,  # because the third knows messages that lead to other addresses
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,  # the attempt's own timeout ends it
            socket_keepalive=True,
            health_check_interval=_HEALTH_SECONDS,
            retry=Retry(NoBackoff(), 0),  # the gateway has a schedule for this
            **self._encrypted(),
        )
        try:
            await client.ping()
        except BaseException:
            await client.aclose()
            raise
        return client

    def _encrypted(self) -> dict[str, Any]:
        options = self.options
        if not options.secure:
            return {}
        files = {"ssl_ca_certs": options.ca, "ssl_certfile": options.certificate, "ssl_keyfile": options.key}
        return {
            "ssl": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            **{name: str(path) for name, path in files.items() if path is not None},
        }

    async def _end(self, connection: redis.asyncio.Redis) -> None:
        await connection.aclose()

    def _lives(self, connection: redis.asyncio.Redis) -> bool:
        return True  # its pool tries a connection before it gives it out

    async def _greet(self, connection: redis.asyncio.Redis) -> str:
        found = await connection.type(self.options.stream)
        kind = found.decode() if isinstance(found, bytes) else found
        if kind not in {"none", "stream"}:
            raise Unavailable(f"{self._where}: the key {self.options.stream!r} is a {kind}, not a stream")
        return "logged in; the stream is there" if kind == "stream" else "logged in; the stream will be made"

    async def _publish(self, connection: redis.asyncio.Redis, message: StreamMessage) -> str:
        [answer] = await self._publish_all(connection, [message])
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def _publish_all(
        self, connection: redis.asyncio.Redis, messages: Sequence[StreamMessage]
    ) -> list[str | BaseException]:
        pipeline = connection.pipeline(transaction=False)
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
