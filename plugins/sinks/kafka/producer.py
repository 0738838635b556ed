"""A producer with acks=all and idempotence: it knows its cluster, connects to the brokers it needs, and leaves none behind."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from aiokafka import AIOKafkaProducer, client, conn, errors  # type: ignore[import-untyped]

from plugins.sinks.kafka.options import KafkaOptions
from plugins.sinks.streams.broker_connection import BrokerConnection, cut

_ANSWER_MS: Final = 5_000  # milliseconds for one answer of a broker, or for a topic to be there
_CLIENT_ID: Final = "recording-gateway"
_FIRST: Final = ("bootstrap", client.ConnectionGroup.DEFAULT)  # the library's name of what asks for the other brokers


class KafkaConnection(BrokerConnection):
    """`producer` sends once this is open."""

    def __init__(self, options: KafkaOptions, tls: ssl.SSLContext | None) -> None:
        self._access = _access(options, tls)
        self.producer = AIOKafkaProducer(
            bootstrap_servers=[place.shown for place in options.endpoints],
            client_id=_CLIENT_ID,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=_ANSWER_MS,
            max_request_size=options.max_message,
            compression_type=None if options.compression == "none" else options.compression,
            **self._access,
        )
        self.producer.client.bootstrap = self._bootstrap
        self._send_request = self.producer._sender._send_produce_req
        self.producer._sender._send_produce_req = self._request
        self._requests: set[asyncio.Task[None] | None] = set()
        self._ending: list[asyncio.StreamWriter | None] = []

    @property
    def lives(self) -> bool:
        """It connects again by itself."""
        sender = self.producer._sender.sender_task
        return sender is not None and not sender.done()

    async def open(self) -> None:
        """Find the cluster, and be given a number in it. Raises what the first broker that was asked said, if none helps."""
        await self.producer.start()

    async def _bootstrap(self) -> None:
        """As the library does it, but that a connection is known before it is open, so that it can be ended, and that the
        first failure is raised rather than that there was one."""
        own = self.producer.client
        failure: Exception | None = None
        for host, port, _ in own.hosts:
            own._conns[_FIRST] = first = conn.AIOKafkaConnection(
                host, port, client_id=_CLIENT_ID, request_timeout_ms=_ANSWER_MS, **self._access
            )
            try:
                await first.connect()
                own.cluster.update_metadata(await first.send(client.MetadataRequest([])))
            except (OSError, errors.KafkaError, TimeoutError) as error:
                failure = failure or error
                first.close()
                continue
            if own.cluster.brokers():
                first.close()
                del own._conns[_FIRST]
            own._sync_task = asyncio.get_running_loop().create_task(own._md_synchronizer())
            return
        assert failure is not None
        raise failure

    async def _request(self, node: int, batches: object) -> None:
        """As the library does it, but that it can be ended: the sender waits for it in any case."""
        task = asyncio.current_task()
        self._requests.add(task)
        try:
            await self._send_request(node, batches)
        finally:
            self._requests.discard(task)

    async def end_connection(self) -> None:
        """Nobody waits in it any more: what it would still send is left out, so that nothing comes after its successor's."""
        tasks = self._stop()
        connections = [*self.producer.client._conns.values()]
        self._ending = [connection._writer for connection in connections]  # because it forgets them
        closed = [connection.close() for connection in connections]
        await asyncio.wait([*tasks, *(end for end in closed if end is not None)])

    def abort(self) -> None:
        """Close its sockets, end its tasks, and tell who still waits."""
        self._stop()
        connections = [*self.producer.client._conns.values()]
        for writer in (*self._ending, *(connection._writer for connection in connections)):
            cut(writer)
        for connection in connections:
            connection.close()

    def _stop(self) -> list[asyncio.Task[None]]:
        """No request begins any more. The tasks that end by it."""
        producer = self.producer
        producer._closed = True
        unsent = producer._message_accumulator
        unsent._exception = errors.ProducerClosed()
        for batch in {*unsent._pending_batches, *(batch for waiting in unsent._batches.values() for batch in waiting)}:
            unsent._pending_batches.add(batch)  # where the library takes it from, also if it waits to be tried again
            batch.failure(errors.ProducerClosed())
            batch._drain_waiter.exception()  # looked at, because nobody may be waiting for it
        tasks = (*self._requests, producer._sender.sender_task, producer.client._sync_task)
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        return running


def _access(options: KafkaOptions, tls: ssl.SSLContext | None) -> dict[str, object]:
    protocol = "SSL" if options.tls else "PLAINTEXT"
    if options.password is None:
        return {"security_protocol": protocol, "ssl_context": tls}
    return {
        "security_protocol": "SASL_SSL" if options.tls else "SASL_PLAINTEXT",
        "ssl_context": tls,
        "sasl_mechanism": (options.sasl or "plain").upper(),
        "sasl_plain_username": options.username,
        "sasl_plain_password": options.password.reveal(),
    }
