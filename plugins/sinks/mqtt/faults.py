"""What MQTT's reason codes mean: https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html, 2.4 and 3.4.2.1."""

from __future__ import annotations

from typing import Final

import aiomqtt
from paho.mqtt.client import MQTT_ERR_PAYLOAD_SIZE, error_string
from paho.mqtt.reasoncodes import ReasonCode

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from plugins.sinks.streams.faults import network, own_words

_UNAVAILABLE: Final = frozenset(
    {0x82, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x9A, 0x9B, 0x9C, 0x9D}  # until somebody mends it
)
_NOT_LET_IN: Final = frozenset({0x86, 0x87, 0x8C})
_REFUSED: Final = frozenset({0x95, 0x99})  # the packet is too large, the payload is not what it says
_UNSPECIFIED: Final = 0x80
_OF_ONE_MESSAGE: Final = frozenset(
    {_UNSPECIFIED, 0x83}
)  # unspecified, or the broker's own: said to a message, not to a connection


class NotTaken(Exception):
    """A PUBACK that says no. `code` is its reason code, `name` what the standard calls it."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(name)
        self.code = code
        self.name = name


class TooLarge(Exception):
    """The broker said while connecting that it takes no packet as large as this."""


def judge(error: BaseException, where: str, topic: str = "", *, fixed: bool = True) -> DeliveryFailed:
    """The outcome of an attempt that ended so. `topic`: where the message was to go; `fixed`: whether all others go there
    too, so that what is wrong with it is wrong with the whole target."""
    if isinstance(error, TooLarge):
        return Refused(f"{where}: {error}")
    if isinstance(error, NotTaken):
        verdict = _coded(error.code, f"{error.name} (topic {own_words(topic)!r})", where, of_one=True)
        return Retry(verdict.detail) if isinstance(verdict, Unavailable) and not fixed else verdict
    if isinstance(error, aiomqtt.MqttCodeError):
        if isinstance(error.rc, ReasonCode):
            if error.rc.value == _UNSPECIFIED and not isinstance(error, aiomqtt.exceptions.MqttConnectError):
                return Retry(f"{where} closed the connection", service=True)  # the library's code for no word at all
            return _coded(error.rc.value, str(error.rc), where, of_one=False)
        if error.rc == MQTT_ERR_PAYLOAD_SIZE:
            return Refused(f"{where}: the event is larger than MQTT has room for")
        return Retry(f"{where}: {error_string(error.rc or 0).rstrip('.').lower()}", service=True)
    if isinstance(error, aiomqtt.MqttError):
        cause = error.__cause__ or error.__context__
        failure = None if cause is None else network(cause, where)
        return failure or Retry(f"{where}: {own_words(error).lower()}", service=True)
    return network(error, where) or Retry(f"{where}: {type(error).__name__}", service=True)


def _coded(code: int, name: str, where: str, *, of_one: bool) -> DeliveryFailed:
    text = f"{where}: {name} (0x{code:02X})"
    if code in _NOT_LET_IN:
        what = "the user may not publish there" if of_one else "it does not let us in: check `username` and `password`"
        return Unavailable(f"{text}; {what}")
    if code == 0x84:
        return Unavailable(f"{text}; MQTT 5 is needed")
    if code in _UNAVAILABLE:
        return Unavailable(text)
    if code in _REFUSED and of_one:
        return Refused(text)
    return Retry(text, service=not (of_one and code in _OF_ONE_MESSAGE))
