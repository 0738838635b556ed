"""Publishes with QoS 1: delivered when PUBACK says so."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway import DeliveryFailed, Event
from plugins.sinks.mqtt.options import TOPIC_BYTES_MAX, MqttOptions
from plugins.sinks.streams.cloud_event import StreamMessage
from plugins.sinks.streams.connection_keeper import CONNECT_SECONDS
from plugins.sinks.streams.sink import OneByOneSink
from plugins.sinks.streams.topic import Topic

if TYPE_CHECKING:
    from plugins.sinks.mqtt.confirmed import Confirmed

_KEEPALIVE_SECONDS: Final = 20  # seconds between questions whether the broker is still there


class Mqtt(OneByOneSink["Confirmed"]):
    """Publishes each event with QoS 1. Delivered when PUBACK has come; the receipt says where nobody subscribes."""

    type = "mqtt"
    Options = MqttOptions
    options: MqttOptions
    broker = "MQTT"
    libraries = ("aiomqtt", "paho.mqtt.client")

    def _connection(self) -> Confirmed:
        import aiomqtt

        from plugins.sinks.mqtt.confirmed import Confirmed

        options = self.options
        [place] = options.endpoints
        return Confirmed(
            self._tls,
            hostname=place.host,
            port=place.port,
            username=options.username,
            password=options.password.reveal() if options.password else None,
            protocol=aiomqtt.ProtocolVersion.V5,
            keepalive=_KEEPALIVE_SECONDS,
            timeout=CONNECT_SECONDS,
        )

    async def _publish(self, connection: Confirmed, message: StreamMessage) -> str:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.PayloadFormatIndicator = 1  # UTF-8
        properties.ContentType = message.media_type
        properties.UserProperty = [*message.named("").items()]
        try:
            confirmation = await connection.publish_confirmed(
                message.topic, message.body, retain=self.options.retain, properties=properties
            )
        except Exception as error:
            from plugins.sinks.mqtt.faults import judge

            raise judge(error, self._where, message.topic, fixed=self._topics.is_fixed) from None
        return f"PUBACK {confirmation}"

    def _shown(self, message: StreamMessage) -> Mapping[str, str]:
        return {"Content Type": message.media_type, **message.named("")}

    def _topic(self, event: Event) -> str:
        return self._topics.topic_of(event, bytes_max=TOPIC_BYTES_MAX)

    @functools.cached_property
    def _topics(self) -> Topic:
        return Topic(self.options.topic)

    def _judge(self, error: BaseException) -> DeliveryFailed:
        from plugins.sinks.mqtt.faults import judge

        return judge(error, self._where)
