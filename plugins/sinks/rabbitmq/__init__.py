"""The sink `rabbitmq`: publishes each event to an exchange or a queue of RabbitMQ (AMQP 0-9-1)."""

from plugins.sinks.rabbitmq.sink import RabbitMq

__all__ = ["RabbitMq"]
