"""What RabbitMQ's answers mean: https://www.rabbitmq.com/docs/channels#error-handling, and the codes of AMQP 0-9-1."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import aiormq.exceptions as errors

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from plugins.sinks.streams.faults import network, own_words

_FULL_AFTER: Final = timedelta(seconds=10)  # a queue that is full and says so


def judge(error: BaseException, where: str, *, waits: bool = True) -> DeliveryFailed:
    """The outcome of an attempt that ended so. `waits`: whether what no queue takes says that the target is not ready."""
    if isinstance(error, errors.PublishError):
        return _returned(error, where, waits=waits)
    if isinstance(error, errors.DeliveryError):
        return Retry(f"{where} did not take the message (nack): a queue is full, or broken", _FULL_AFTER, service=True)
    if isinstance(error, errors.ProbableAuthenticationError | errors.AuthenticationError):
        return Unavailable(f"{where} does not let us in: check `username` and `password`")
    if isinstance(error, errors.ConnectionNotAllowed):
        return Unavailable(
            f"{where}: {own_words(_words(error))}; is there such a virtual host, and may the user use it?"
        )
    if isinstance(error, errors.IncompatibleProtocolError | errors.ProtocolSyntaxError):
        # the library's words for whatever it did not expect, and it does not expect to be shut out of a virtual host
        why = "is there such a virtual host, may the user use it, and is it AMQP 0-9-1 that is spoken there?"
        return Unavailable(f"{where} did not open the connection: {why}")
    if isinstance(error, errors.ChannelNotFoundEntity | errors.ChannelAccessRefused):
        return Unavailable(f"{where}: {own_words(_words(error))}")
    if isinstance(error, errors.ChannelPreconditionFailed):
        words = own_words(_words(error))
        return Refused(f"{where}: {words}") if "message size" in words else Unavailable(f"{where}: {words}")
    if isinstance(error, errors.ChannelInvalidStateError):  # whose words are for programmers
        return Retry(f"{where} closed the connection", service=True)
    if isinstance(error, errors.ConnectionClosed | errors.ChannelClosed):
        return Retry(f"{where} closed the connection: {own_words(_words(error)) or type(error).__name__}", service=True)
    if isinstance(error, errors.AMQPConnectionError):
        cause = error.__cause__ or error.__context__
        failure = None if cause is None else network(cause, where)
        return failure or Retry(f"{where}: {own_words(_words(error)) or 'no connection'}", service=True)
    return network(error, where) or Retry(f"{where}: {type(error).__name__}", service=True)


def _returned(error: errors.PublishError, where: str, *, waits: bool) -> DeliveryFailed:
    frame = error.frame
    place = f"exchange {getattr(frame, 'exchange', '') or '(default)'!r}, routing key {own_words(getattr(frame, 'routing_key', ''))!r}"
    text = f"{where}: no queue takes the message ({place}); declare one, or bind one to the exchange"
    return Unavailable(text) if waits else Refused(text)


def _words(error: BaseException) -> str:
    """The broker's own text, which the library keeps among numbers and `%r`."""
    texts = [part for part in error.args if isinstance(part, str) and part and "%" not in part]
    return max(texts, key=len, default="")
