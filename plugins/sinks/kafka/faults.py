"""What Kafka's errors mean: https://kafka.apache.org/protocol#protocol_error_codes, and the client's own."""

from __future__ import annotations

from typing import Final

from aiokafka import errors  # type: ignore[import-untyped]

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from plugins.sinks.streams.faults import network

_NOT_LET_IN: Final = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.IllegalSaslStateError,
    errors.SaslAuthenticationFailed,
    errors.UnsupportedSaslMechanismError,
)
_FORBIDDEN: Final = (
    errors.ClusterAuthorizationFailedError,
    errors.TopicAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
)
_UNAVAILABLE: Final = (
    errors.IncompatibleBrokerVersion,
    errors.InvalidRequiredAcksError,
    errors.InvalidTopicError,
    errors.UnrecognizedBrokerVersion,
    errors.UnsupportedCodecError,
    errors.UnsupportedForMessageFormatError,
    errors.UnsupportedVersionError,
)
_REFUSED: Final = (
    errors.InvalidTimestampError,
    errors.MessageSizeTooLargeError,
    errors.PolicyViolationError,
    errors.RecordListTooLargeError,
    errors.RecordTooLargeError,
)
# What a fresh producer mends: its number or its place in the sequence is not what the broker remembers.
_PRODUCER: Final = (
    errors.DuplicateSequenceNumber,
    errors.InvalidProducerEpoch,
    errors.InvalidProducerIdMapping,
    errors.OutOfOrderSequenceNumber,
    errors.ProducerClosed,
    errors.ProducerFenced,
    errors.UnknownProducerId,
)
_SERVICE: Final = (
    errors.BrokerNotAvailableError,
    errors.CorruptRecordException,
    errors.KafkaTimeoutError,
    errors.KafkaUnavailableError,
    errors.ReplicaNotAvailableError,
)


def judge(error: BaseException, where: str, topic: str = "") -> DeliveryFailed:
    """The outcome of an attempt that ended so. `topic`: where the message was to go."""
    kind = type(error).__name__
    if isinstance(error, errors.UnknownTopicOrPartitionError):
        return Unavailable(f"{where}: no topic {topic!r}; make it, or see `topic`")
    if isinstance(error, _NOT_LET_IN):
        return Unavailable(f"{where} does not let us in ({kind}): check `username`, `password` and `sasl`")
    if isinstance(error, _FORBIDDEN):
        return Unavailable(f"{where}: the user may not write to the topic {topic!r} ({kind})")
    if isinstance(error, _UNAVAILABLE):
        return Unavailable(f"{where}: {kind}")
    if isinstance(error, _REFUSED):
        return Refused(f"{where} does not take the message: {kind}")
    if isinstance(error, errors.KafkaConnectionError):
        cause = error.__cause__ or error.__context__
        failure = None if cause is None else network(cause, where)
        return failure or Retry(f"{where}: no connection", service=True)
    if isinstance(error, errors.KafkaError):
        # not the client's words, because records may be quoted in them
        return Retry(f"{where}: {kind}", service=error.retriable or isinstance(error, _SERVICE + _PRODUCER))
    return network(error, where) or Retry(f"{where}: {kind}", service=True)
