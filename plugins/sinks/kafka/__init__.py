"""The sink `kafka`: produces each event into a topic of Kafka, the events of one stream into one partition."""

from plugins.sinks.kafka.sink import Kafka

__all__ = ["Kafka"]
