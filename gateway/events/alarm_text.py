"""What an alarm says to people, in English and Chinese: made from what it is about, so that each recipient reads their own language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model import (
    DELIVERY_DEAD,
    EVENT_HELD,
    KEY_EXPIRING,
    REFUSALS,
    RELOAD_REFUSED,
    SINK_DOWN,
    SINK_UP,
    SOURCE_BACK,
    SOURCE_SILENT,
    STORE_LIMIT,
    STORE_OK,
)

_ENGLISH: Final[Mapping[str, str]] = {  # {about}, {count}; the plural stands for itself
    SINK_DOWN: "nothing can be delivered to {about}: it is tried again by itself, and nothing is lost",
    SINK_UP: "{about} takes deliveries again",
    DELIVERY_DEAD: "{count} deliveries to {about} were given up; after mending it: gateway deliveries list --state dead",
    SOURCE_SILENT: "no callback has come from {about} for longer than its rule allows",
    SOURCE_BACK: "callbacks come from {about} again",
    REFUSALS: "{count} callbacks of {about} were refused; why: gateway refused list",
    STORE_LIMIT: "the store is nearly full: past its limit callbacks are answered 503",
    STORE_OK: "the store has room again",
    RELOAD_REFUSED: "the configuration file was not taken over; what ran before still runs: gateway check",
    EVENT_HELD: "{count} events of {about} are held until a person releases them: gateway events list --held",
    KEY_EXPIRING: "a key of {about} is about to end",
}
_CHINESE: Final[Mapping[str, str]] = {
    SINK_DOWN: "无法投递到 {about}：网关会自动重试，不会丢失",
    SINK_UP: "{about} 已恢复接收",
    DELIVERY_DEAD: "{count} 个到 {about} 的投递已放弃；修复后查看：gateway deliveries list --state dead",
    SOURCE_SILENT: "{about} 已超过规则允许的时间没有回调",
    SOURCE_BACK: "{about} 又有回调了",
    REFUSALS: "{about} 的 {count} 个回调被拒绝；原因：gateway refused list",
    STORE_LIMIT: "存储即将写满：超过上限后回调将得到 503",
    STORE_OK: "存储又有空间了",
    RELOAD_REFUSED: "新的配置文件未被采用，仍按原配置运行：gateway check",
    EVENT_HELD: "{about} 的 {count} 个事件被扣留，等待人工放行：gateway events list --held",
    KEY_EXPIRING: "{about} 的密钥即将失效",
}
_CAUSE: Final = {True: "。原因：", False: ". Cause: "}


def alarm_text(type: str, about: str, count: int, cause: str = "", *, language: str = "en") -> str:
    """One sentence, and the cause where there is one. `language` is a tag: Chinese for zh and all below it, else English."""
    chinese = language.partition("-")[0] == "zh"
    pattern = (_CHINESE if chinese else _ENGLISH).get(type)
    if pattern is None:  # of a newer program
        return cause or type
    text = pattern.replace("{about}", about).replace("{count}", str(count))
    if count == 1 and not chinese:
        text = _singular(text)
    return text + _CAUSE[chinese] + cause if cause else text


def _singular(text: str) -> str:
    for many, single in (
        ("1 deliveries", "1 delivery"),
        ("1 callbacks", "1 callback"),
        ("1 events", "1 event"),
        (" were ", " was "),
        (" are held until a person releases them", " is held until a person releases it"),
    ):
        text = text.replace(many, single, 1)
    return text
