"""What each answer of a broker means: a table for each, with the words as the broker has them."""

from __future__ import annotations

from collections.abc import Callable

AGAIN = ("Retry", True)  # and counts towards the circuit
LATER = ("Retry", False)
SHUT = ("Unavailable", False)
NEVER = ("Refused", False)


def redis_answers() -> list[tuple[BaseException, tuple[str, bool]]]:
    from redis import exceptions as errors
    from redis._parsers.base import BaseParser

    def answered(text: str) -> BaseException:
        error: BaseException = BaseParser.parse_error(text)
        return error

    return [
        (answered("WRONGTYPE Operation against a key holding the wrong kind of value"), SHUT),
        (answered("NOPERM User default has no permissions to run the 'xadd' command"), SHUT),
        (answered("NOAUTH Authentication required."), SHUT),
        (answered("WRONGPASS invalid username-password pair or user is disabled."), SHUT),
        (answered("MOVED 3999 127.0.0.1:6381"), SHUT),
        (answered("ERR unknown command 'XADD', with args beginning with:"), SHUT),
        (answered("READONLY You can't write against a read only replica."), AGAIN),
        (answered("OOM command not allowed when used memory > 'maxmemory'."), AGAIN),
        (answered("LOADING Redis is loading the dataset in memory"), AGAIN),
        (answered("MISCONF Redis is configured to save RDB snapshots"), AGAIN),
        (answered("NOREPLICAS Not enough good replicas to write."), AGAIN),
        (answered("CLUSTERDOWN The cluster is down"), AGAIN),
        (answered("MASTERDOWN Link with MASTER is down"), AGAIN),
        (answered("BUSY Redis is busy running a script."), AGAIN),
        (answered("ERR max number of clients reached"), AGAIN),
        (answered("ERR something new"), LATER),
        (errors.TimeoutError("Timeout reading from socket"), AGAIN),
        (errors.ConnectionError("Connection closed by server."), AGAIN),
        (errors.MaxConnectionsError(), AGAIN),
        (errors.DataError("Invalid input of type: 'NoneType'."), NEVER),
    ]


def nats_answers() -> list[tuple[BaseException, tuple[str, bool]]]:
    import nats.errors
    from nats.js import errors

    def answered(code: int, number: int, text: str) -> BaseException:
        try:
            raise errors.APIError.from_error({"code": code, "err_code": number, "description": text})
        except errors.APIError as error:
            return error

    return [
        (errors.NoStreamResponseError(), SHUT),
        (answered(400, 10060, "expected stream does not match"), SHUT),
        (answered(503, 10039, "JetStream not enabled for account"), SHUT),
        (answered(400, 10109, "invalid operation on sealed stream"), SHUT),
        (answered(400, 10054, "message size exceeds maximum allowed"), NEVER),
        (answered(503, 10077, "maximum messages exceeded"), AGAIN),
        (answered(503, 10023, "insufficient resources"), AGAIN),
        (answered(500, 10047, "insufficient storage resources available"), AGAIN),
        (answered(400, 10999, "something new"), LATER),
        (nats.errors.MaxPayloadError(), NEVER),
        (nats.errors.Error("nats: 'Authorization Violation'"), SHUT),
        (nats.errors.Error('nats: permissions violation for publish to "a.b"'), SHUT),
        (nats.errors.Error("nats: 'Maximum Connections Exceeded'"), AGAIN),
        (nats.errors.ConnectionClosedError(), AGAIN),
        (nats.errors.UnexpectedEOF(), AGAIN),
        (nats.errors.TimeoutError(), AGAIN),
        (nats.errors.SecureConnWantedError(), SHUT),
        (nats.errors.AuthorizationError(), SHUT),
        (nats.errors.NoServersError(), AGAIN),
        (nats.errors.BadSubjectError(), NEVER),
        (nats.errors.Error("nats: 'Maximum Payload Violation'"), NEVER),
    ]


def rabbitmq_answers() -> list[tuple[BaseException, tuple[str, bool]]]:
    from aiormq import exceptions as errors
    from pamqp.commands import Basic

    return [
        (errors.ProbableAuthenticationError("ACCESS_REFUSED - Login was refused", 403), SHUT),
        (errors.ConnectionNotAllowed("NOT_ALLOWED - vhost x not found", 530), SHUT),
        (errors.ChannelNotFoundEntity("NOT_FOUND - no exchange 'x' in vhost '/'"), SHUT),
        (errors.ChannelAccessRefused("ACCESS_REFUSED - write access to exchange 'x' refused"), SHUT),
        (errors.IncompatibleProtocolError("The server closed connection"), SHUT),
        (errors.ChannelPreconditionFailed("PRECONDITION_FAILED - message size 9 is larger than max size 8"), NEVER),
        (errors.ChannelPreconditionFailed("PRECONDITION_FAILED - fast reply consumer does not exist"), SHUT),
        (errors.DeliveryError(None, Basic.Nack(1)), AGAIN),
        (errors.ConnectionClosed(320, "CONNECTION_FORCED - broker forced connection closure"), AGAIN),
        (errors.ChannelInvalidStateError("writer is None"), AGAIN),
        (errors.AMQPConnectionError("Connection refused"), AGAIN),
    ]


def mqtt_answers() -> list[tuple[BaseException, tuple[str, bool]]]:
    import aiomqtt
    from paho.mqtt.client import MQTT_ERR_PAYLOAD_SIZE
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.reasoncodes import ReasonCode

    from plugins.sinks.mqtt.faults import NotTaken, TooLarge

    def connecting(code: int) -> BaseException:
        return aiomqtt.exceptions.MqttConnectError(ReasonCode(PacketTypes.CONNACK, identifier=code))

    def ended(code: int) -> BaseException:
        return aiomqtt.MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=code), "Unexpected disconnection")

    return [
        *[(connecting(code), SHUT) for code in (0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x9C, 0x9D)],
        *[(connecting(code), AGAIN) for code in (0x80, 0x88, 0x89, 0x97, 0x9F)],
        *[(ended(code), AGAIN) for code in (0x80, 0x8B, 0x8D, 0x8E, 0x93, 0x97)],
        (ended(0x87), SHUT),
        (NotTaken(0x87, "Not authorized"), SHUT),
        (NotTaken(0x90, "Topic name invalid"), SHUT),
        (NotTaken(0x99, "Payload format invalid"), NEVER),
        (NotTaken(0x97, "Quota exceeded"), AGAIN),
        (NotTaken(0x80, "Unspecified error"), LATER),
        (NotTaken(0x83, "Implementation specific error"), LATER),
        (TooLarge("the event is larger than the broker takes"), NEVER),
        (aiomqtt.MqttCodeError(7, "Could not publish message"), AGAIN),
        (aiomqtt.MqttCodeError(MQTT_ERR_PAYLOAD_SIZE, "Could not publish message"), NEVER),
        (aiomqtt.MqttError("Operation timed out"), AGAIN),
    ]


def kafka_answers() -> list[tuple[BaseException, tuple[str, bool]]]:
    from aiokafka import errors  # type: ignore[import-untyped]

    return [
        (errors.UnknownTopicOrPartitionError(), SHUT),
        (errors.TopicAuthorizationFailedError("recordings"), SHUT),
        (errors.ClusterAuthorizationFailedError(), SHUT),
        (errors.SaslAuthenticationFailed("canary"), SHUT),
        (errors.AuthenticationFailedError("canary"), SHUT),
        (errors.UnsupportedSaslMechanismError("Kafka broker does not support PLAIN sasl mechanism."), SHUT),
        (errors.InvalidTopicError(), SHUT),
        (errors.UnsupportedVersionError(), SHUT),
        (errors.MessageSizeTooLargeError("The message is 9 bytes when serialized"), NEVER),
        (errors.RecordListTooLargeError(), NEVER),
        (errors.PolicyViolationError(), NEVER),
        (errors.NotEnoughReplicasError(), AGAIN),
        (errors.NotEnoughReplicasAfterAppendError(), AGAIN),
        (errors.NotLeaderForPartitionError(), AGAIN),
        (errors.LeaderNotAvailableError(), AGAIN),
        (errors.RequestTimedOutError(), AGAIN),
        (errors.KafkaStorageError(), AGAIN),
        (errors.KafkaTimeoutError(), AGAIN),
        (errors.KafkaConnectionError("Unable to bootstrap from [('h', 9092, 0)]"), AGAIN),
        (errors.OutOfOrderSequenceNumber(), AGAIN),
        (errors.UnknownProducerId(), AGAIN),
        (errors.ProducerFenced(), AGAIN),
        (errors.ProducerClosed(), AGAIN),
        (errors.UnknownError(), LATER),
    ]


ANSWERS: dict[str, Callable[[], list[tuple[BaseException, tuple[str, bool]]]]] = {
    "redis": redis_answers,
    "nats": nats_answers,
    "rabbitmq": rabbitmq_answers,
    "mqtt": mqtt_answers,
    "kafka": kafka_answers,
}
