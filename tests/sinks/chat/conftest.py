"""What the chat tests share: options and a yes of every service, a sink as the core makes it, and what each service allows."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateway import Http, learn_secret
from gateway.fields import secrets_of
from gateway.testing import FrozenClock, Reply
from plugins.sinks.cards.card import View
from plugins.sinks.cards.template import zone
from plugins.sinks.cards.words import words
from plugins.sinks.chat import Chat
from plugins.sinks.chat.chat_service import NAMES
from plugins.sinks.chat.options import ChatOptions
from tests.patience import PATIENCE_S

TOKEN = "123456789:url-canary-AAEhBOweik6ad"
PATHS = {
    "feishu": "/open-apis/bot/v2/hook/url-canary-0123456789",
    "lark": "/open-apis/bot/v2/hook/url-canary-0123456789",
    "dingtalk": "/robot/send?access_token=url-canary-0123456789",
    "wecom": "/cgi-bin/webhook/send?key=url-canary-0123456789",
    "slack": "/services/T00000000/B00000000/url-canary-0123456789",
    "discord": "/api/webhooks/123456789012345678/url-canary-0123456789",
    "teams": "/workflows/abc/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=url-canary-012",
    "google-chat": "/v1/spaces/AAAA/messages?key=key-canary-0123456789&token=url-canary-0123456789",
    "mattermost": "/hooks/url-canary-0123456789abc",
    "rocket-chat": "/hooks/64a0000000000000/url-canary-0123456789",
}
SIGNED = {"feishu", "lark", "dingtalk"}
MENTION = {
    "feishu": "ou_84aad35d084aa403", "lark": "ou_84aad35d084aa403", "dingtalk": "13800000000", "wecom": "zhangsan",
    "slack": "U012AB3CD", "discord": "80351110224678912", "teams": "anna@example.com", "telegram": "@anna_b",
    "google-chat": "users/123456789", "mattermost": "anna", "rocket-chat": "anna",
}  # fmt: skip


def answer(body: object, status: int = 200, *headers: tuple[str, str]) -> Reply:
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(status=status, body=data, headers=list(headers))


YES: Mapping[str, Reply] = {
    "feishu": answer({"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success"}),
    "lark": answer({"code": 0, "msg": "success", "data": {}}),
    "dingtalk": answer({"errcode": 0, "errmsg": "ok"}),
    "wecom": answer({"errcode": 0, "errmsg": "ok"}),
    "slack": answer("ok"),
    "discord": answer({"id": "1234567890", "type": 0, "content": ""}),
    "teams": answer(b"", 202),
    "telegram": answer({"ok": True, "result": {"message_id": 77, "chat": {"id": -1001}}}),
    "google-chat": answer({"name": "spaces/AAAA/messages/BBBB.CCCC"}),
    "mattermost": answer("ok"),
    "rocket-chat": answer({"success": True}),
}


def options(service: str, base: str = "http://127.0.0.1:9", /, **more: Any) -> dict[str, Any]:
    if service == "telegram":
        return {"service": service, "base_url": base, "token": TOKEN, "chat_id": "-1001234567890", **more}
    made = {"service": service, "url": base + PATHS[service], **more}
    return {"secret": "SEC-canary-0123456789", **made} if service in SIGNED else made


@asynccontextmanager
async def chatting(
    service: str, base: str = "http://127.0.0.1:9", clock: FrozenClock | None = None, /, **more: Any
) -> AsyncIterator[Chat]:
    import structlog

    http = Http(clock=clock or FrozenClock(), timeout=PATIENCE_S, transport=more.pop("transport", None))
    made = ChatOptions.model_validate(options(service, base, **more))
    for _, secret in secrets_of(made):
        learn_secret(secret.reveal())
    sink = Chat("chat", made, http=http, log=structlog.get_logger())
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()
        await http.close()


def view(language: str = "zh", timezone: str = "Asia/Shanghai", **more: Any) -> View:
    return View(words(language), zone(timezone), **more)


# -- what each service allows, as its documents say it, apart from the code that keeps to it


def texts(value: object) -> Iterator[str]:
    """Every text anywhere in a message."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def _u16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def within(service: str, body: bytes) -> None:
    """Asserts that this body is within everything that the service limits."""
    message = json.loads(body)
    assert "\\ud8" not in body.decode()
    if service in {"feishu", "lark"}:
        assert len(body) <= 20_000
        assert message["msg_type"] == "interactive"
        assert message["card"]["header"]["title"]["content"]
        assert message["card"]["elements"]
    elif service == "dingtalk":
        assert len(body) <= 20_000
        assert message[message["msgtype"]]["text"]
    elif service == "wecom":
        _within_wecom(message)
    elif service == "slack":
        _within_slack(message)
    elif service == "discord":
        _within_discord(message)
    elif service == "teams":
        assert len(body) <= 20_000
        assert message["attachments"][0]["content"]["type"] == "AdaptiveCard"
        del message["attachments"][0]["contentUrl"]
        assert None not in _values(message)
    elif service == "telegram":
        bare = html.unescape(re.sub(r"<[^<>]*>", "", message["text"]))
        assert 0 < _u16(bare) <= 4096
        assert len(re.findall(r"<[a-z]", message["text"])) <= 100
    elif service == "google-chat":
        assert len(body) <= 32_000
    elif service == "mattermost":
        assert len(json.dumps(message["attachments"], ensure_ascii=False)) <= 7900
    else:
        assert len(json.dumps(message["attachments"], ensure_ascii=False)) <= 5000


def _values(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)
    else:
        yield value


def _within_wecom(message: Any) -> None:
    kind = message["msgtype"]
    if kind == "template_card":
        card = message["template_card"]
        assert 0 < len(card["main_title"]["title"]) <= 26
        assert len(card["main_title"].get("desc", "")) <= 30
        assert len(card["sub_title_text"]) <= 112
        assert len(card["source"]["desc"]) <= 13
        assert len(card["horizontal_content_list"]) <= 6
        assert all(len(row["keyname"]) <= 5 and 0 < len(row["value"]) <= 26 for row in card["horizontal_content_list"])
        assert 0 < len(card["jump_list"]) <= 3
        assert all(len(jump["title"]) <= 13 for jump in card["jump_list"])
        assert card["card_action"]["url"].startswith("http")
    else:
        assert 0 < len(message[kind]["content"].encode()) <= {"markdown": 4096, "text": 2048}[kind]
    assert "\\" not in "".join(texts(message)), "WeCom refuses \\uxxxx, 40033"


def _within_slack(message: Any) -> None:
    assert 0 < len(message["text"]) <= 3000
    blocks = [block for one in message.get("attachments", ()) for block in one["blocks"]]
    assert ("attachments" in message) <= len(blocks) <= 50
    for block in blocks:
        if block["type"] == "section":
            assert "text" not in block or 0 < len(block["text"]["text"]) <= 3000
            assert len(block.get("fields", ())) <= 10
            assert all(0 < len(field["text"]) <= 2000 for field in block.get("fields", ()))
        else:
            assert len(block["elements"]) <= 25
            assert all(len(one["text"]["text"]) <= 75 and len(one["url"]) <= 3000 for one in block["elements"])


def _within_discord(message: Any) -> None:
    total = 0
    for embed in message["embeds"]:
        assert 0 < _u16(embed["title"]) <= 256
        assert _u16(embed.get("description", "")) <= 4096
        assert len(embed.get("fields", ())) <= 25
        total += _u16(embed["title"]) + _u16(embed.get("description", ""))
        for field in embed.get("fields", ()):
            assert 0 < _u16(field["name"].strip()) <= 256
            assert 0 < _u16(field["value"].strip()) <= 1024
            total += _u16(field["name"]) + _u16(field["value"])
    assert total <= 6000
    assert len(message.get("content", "")) <= 2000
    for row in message.get("components", ()):
        assert 0 < len(row["components"]) <= 5
        assert all(len(one["label"]) <= 80 and len(one["url"]) <= 512 for one in row["components"])


ALL = NAMES
