"""The sink `mqtt`: publishes each event to a broker of MQTT 5, with QoS 1."""

from plugins.sinks.mqtt.sink import Mqtt

__all__ = ["Mqtt"]
