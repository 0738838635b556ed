"""What every documented answer of every service means: delivered, again and when, refused, or the whole target broken."""

from __future__ import annotations

import pytest

from gateway import Refused, Retry, Unavailable
from gateway.testing import Reply
from tests.sinks.chat.replies import HTML, code, discord, errcode, google, judged, mattermost, telegram

from .conftest import ALL, answer

AGAIN: list[tuple[str, Reply, float | None]] = [
    ("feishu", code(11232, "frequency limited psm[lark.oapi.app_platform_runtime]"), 1),
    ("feishu", code(9499, "too many request", StatusCode=0, StatusMessage=""), 1),
    ("feishu", code(9499, "too many request", 400, StatusCode=0), 1),
    ("feishu", code(99991400, "request trigger frequency limit", 429, ("x-ogw-ratelimit-reset", "12.5")), 12.5),
    ("feishu", code(99991400, "request trigger frequency limit", 400, ("x-ogw-ratelimit-reset", "9")), 9),
    ("lark", answer("", 429, ("x-ogw-ratelimit-reset", "31")), 31),
    ("feishu", answer("", 429, ("retry-after", "40"), ("x-ogw-ratelimit-reset", "31")), 40),
    ("feishu", code(2200, "Internal Error"), None),
    ("feishu", code(2200, "Internal Error", 500), None),
    ("feishu", code(55555, "something new"), None),
    ("feishu", answer(HTML), None),
    ("feishu", answer([0]), None),
    ("feishu", answer({}), None),
    ("feishu", answer({"StatusCode": 1}), None),
    ("feishu", code(True), None),
    ("feishu", code("nothing"), None),
    ("feishu", code(0, "", 500), None),
    ("dingtalk", errcode(130101, "send too fast, exceed 20 times per minute"), 60),
    ("dingtalk", errcode(410100, "发送速度太快而限流"), 60),
    ("dingtalk", errcode(-1, "系统繁忙"), None),
    ("dingtalk", errcode(88, "ding talk error"), None),
    ("dingtalk", errcode(90018, "qps"), None),
    ("dingtalk", errcode(99999, "something new"), None),
    ("dingtalk", answer({"status": 1111, "wait": 5, "source": "x5", "punish": "deny"}), 300),
    ("dingtalk", answer({"status": 1111, "wait": 900, "source": "x5", "punish": "deny", "errcode": 130101}), 900),
    ("dingtalk", answer(HTML), 300),
    ("dingtalk", answer({}), 300),
    ("dingtalk", answer("", 429), 60),
    ("wecom", errcode(45009, "api freq out of limit"), 60),
    ("wecom", errcode(45033, "api concurrent out of limit"), 60),
    ("wecom", errcode("45009", "api freq out of limit"), 60),
    ("wecom", errcode(-1, "system busy"), None),
    ("wecom", errcode(77777, "something new"), None),
    ("wecom", answer(HTML), None),
    ("wecom", answer({"errcode": None}), None),
    ("wecom", answer("", 429), 60),
    ("slack", answer("rollup_error", 500), None),
    ("slack", answer("", 429, ("Retry-After", "30")), 30),
    ("slack", answer(""), None),
    ("slack", answer(HTML), None),
    ("discord", answer({"message": "You are being rate limited.", "retry_after": 64.57, "global": False}, 429), 64.57),
    ("discord", answer({"message": "x", "retry_after": 0.3}, 429, ("Retry-After", "5")), 5),
    ("discord", answer("error code: 1015", 429, ("Retry-After", "7")), 7),
    ("discord", discord(20028, 429), None),
    ("discord", discord(20029, 400), None),
    ("discord", discord(40062, 400), None),
    ("discord", answer(HTML), None),
    ("discord", answer("", 502), None),
    ("teams", answer("", 429, ("Retry-After", "20")), 20),
    ("teams", answer("", 429), 10),
    ("teams", answer("", 408), None),
    ("teams", answer({"error": "x"}, 503), None),
    ("telegram", telegram(429, "Too Many Requests: retry after 14", retry_after=14), 14),
    ("telegram", telegram(502, "Bad Gateway"), None),
    ("telegram", answer(HTML), None),
    ("telegram", answer({"ok": False}), None),
    ("telegram", answer("", 504), None),
    ("google-chat", google("RESOURCE_EXHAUSTED", 429), 2),
    ("google-chat", google("UNAVAILABLE", 503), None),
    ("google-chat", answer(HTML), None),
    ("google-chat", answer("", 429), 2),
    ("mattermost", answer("limit exceeded", 429, ("X-Ratelimit-Reset", "3")), 3),
    ("mattermost", answer(HTML), None),
    ("mattermost", answer({"id": "api.context.app_error"}, 500), None),
    ("rocket-chat", answer({"success": False, "error": "error-too-many-requests"}, 429), None),
    ("rocket-chat", answer({"success": False, "error": "Error, too many requests."}, 400), None),
    ("rocket-chat", answer(HTML), None),
    ("rocket-chat", answer({"success": False}, 500), None),
    *((service, answer("", status), None) for service in ALL for status in (408, 425, 500, 502, 503, 504, 520, 524)),
]


BROKEN: list[tuple[str, Reply, str]] = [
    ("feishu", code(19001, "param invalid: incoming webhook access token invalid"), "gone"),
    ("feishu", code(19007, "Bot Not Enabled"), "not enabled"),
    ("feishu", code(19021, "sign match fail or timestamp is not within one hour from current time"), "clock"),
    ("feishu", code(19022, "Ip Not Allowed"), "address"),
    ("lark", code(19024, "Key Words Not Found", StatusCode=0), "keyword"),
    ("dingtalk", errcode(310000, "keywords not in content, more: [https://x]"), "set `keyword`"),
    ("dingtalk", errcode(310000, "错误描述:关键词不匹配"), "set `keyword`"),
    ("dingtalk", errcode(310000, "invalid timestamp"), "clock"),
    ("dingtalk", errcode(310000, "sign not match"), "`secret`"),
    ("dingtalk", errcode(310000, "机器人发送签名不匹配"), "`secret`"),
    ("dingtalk", errcode(310000, "ip 1.2.3.4 not in whitelist"), "list"),
    ("dingtalk", errcode(310000, "?"), "310000"),
    *(("dingtalk", errcode(one), str(one)) for one in (300001, 300005, 400013, 400101, 400102, 400106)),
    ("wecom", errcode(93000, "invalid webhook url, hint: [1]"), "gone"),
    *(("wecom", errcode(one), str(one)) for one in (40001, 40093, 48002, 50003)),
    ("slack", answer("no_service", 404), "no_service"),
    ("slack", answer("no_service_id", 404), "no_service_id"),
    ("slack", answer("channel_not_found", 404), "channel_not_found"),
    ("slack", answer("channel_is_archived", 410), "channel_is_archived"),
    ("slack", answer("action_prohibited", 403), "action_prohibited"),
    ("slack", answer("invalid_token", 403), "invalid_token"),
    ("slack", answer("posting_to_general_channel_denied", 400), "denied"),
    *(("slack", answer(one, 400), one) for one in ("no_active_hooks", "no_team", "team_disabled")),
    ("discord", discord(10015, 404, "Unknown Webhook"), "deleted"),
    ("discord", discord(10003, 404, "Unknown Channel"), "10003"),
    ("discord", discord(50027, 401, "Invalid Webhook Token"), "token"),
    (
        "discord",
        discord(220001, 400, "Webhooks posted to forum channels must have a thread_name or thread_id"),
        "thread_id",
    ),
    ("discord", discord(220002, 400), "220002"),
    ("discord", discord(40333, 403), "40333"),
    ("discord", discord(0, 404), "404"),
    ("teams", answer({"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "state 'Deleted'"}}, 400), "off"),
    ("teams", answer({"error": {"code": "WorkflowNotFound", "message": ""}}, 404), "deleted"),
    ("teams", answer({"error": {"code": "DirectApiAuthorizationRequired"}}, 401), "401"),
    ("teams", answer("", 403), "403"),
    ("telegram", telegram(401, "Unauthorized"), "revoked"),
    ("telegram", telegram(404, "Not Found"), "token is wrong"),
    ("telegram", telegram(403, "Forbidden: bot was kicked from the supergroup chat"), "403"),
    ("telegram", telegram(403, "Forbidden: user is deactivated"), "403"),
    ("telegram", telegram(400, "Bad Request: chat not found"), "chat not found"),
    ("telegram", telegram(400, "Bad Request: message thread not found"), "thread"),
    ("telegram", telegram(400, "Bad Request: not enough rights to send text messages to the chat"), "rights"),
    ("google-chat", google("PERMISSION_DENIED", 403), "PERMISSION_DENIED"),
    ("google-chat", google("UNAUTHENTICATED", 401), "UNAUTHENTICATED"),
    ("google-chat", google("NOT_FOUND", 404), "NOT_FOUND"),
    ("mattermost", mattermost("web.incoming_webhook.invalid.app_error", 400), "invalid"),
    ("mattermost", mattermost("web.incoming_webhook.disabled.app_error", 501), "switched off"),
    ("mattermost", mattermost("web.incoming_webhook.channel.app_error", 404), "channel"),
    ("rocket-chat", answer({"success": False, "error": "Invalid integration id or token provided."}, 404), "404"),
    ("rocket-chat", answer({"success": False, "error": "invalid-channel"}), "invalid-channel"),
    ("rocket-chat", answer({"success": False}, 403), "403"),
    *((service, answer("", status), str(status)) for service in ALL for status in (401, 403, 404, 410, 511)),
    *((service, answer("", 302, ("Location", "https://x.example/y")), "x.example") for service in ALL),
]


REFUSED: list[tuple[str, Reply]] = [
    *(("feishu", code(one)) for one in (19002, 19036, 200621, 230099)),
    ("feishu", code(9499, "Bad Request")),
    ("feishu", code(9499, "Bad Request", 400)),
    *(("dingtalk", errcode(one)) for one in (40035, 43004, 400105, 460101)),
    *(("wecom", errcode(one)) for one in (40008, 40033, 40035, 40058, 40063, 44004, 45002, 45034)),
    *(("slack", answer(one, 400)) for one in ("invalid_payload", "no_text", "user_not_found", "too_many_attachments")),
    *(("discord", discord(one, 400)) for one in (50006, 50035, 50109, 200000)),
    ("teams", answer({"error": {"code": "TriggerInputSchemaMismatch", "message": "m"}}, 400)),
    ("teams", answer("", 413)),
    ("telegram", telegram(400, "Bad Request: MESSAGE_NOT_MODIFIED")),
    ("google-chat", google("INVALID_ARGUMENT", 400)),
    *(("mattermost", mattermost(f"web.incoming_webhook.{one}.app_error", 400)) for one in ("parse", "decode", "text")),
    ("rocket-chat", answer({"success": False, "error": "other"})),
    ("rocket-chat", answer({"success": False, "error": "other"}, 400)),
    *((service, answer("", status)) for service in ALL for status in (400, 405, 413, 415, 422, 501, 505)),
]


@pytest.mark.parametrize(("service", "reply", "after"), AGAIN, ids=lambda one: one if isinstance(one, str) else None)
async def test_again_and_not_before_the_service_says(service: str, reply: Reply, after: float | None) -> None:
    failure = await judged(service, reply)
    assert type(failure) is Retry
    assert failure.status == reply.status
    if after is not None:
        assert failure.after is not None
        assert failure.after.total_seconds() == after


@pytest.mark.parametrize(("service", "reply", "words"), BROKEN, ids=lambda one: one if isinstance(one, str) else None)
async def test_a_broken_target_loses_nothing_and_says_what_to_mend(service: str, reply: Reply, words: str) -> None:
    failure = await judged(service, reply)
    assert type(failure) is Unavailable
    assert words in failure.detail


@pytest.mark.parametrize(("service", "reply"), REFUSED, ids=lambda one: one if isinstance(one, str) else None)
async def test_a_message_that_can_never_be_taken_is_refused(service: str, reply: Reply) -> None:
    assert type(await judged(service, reply)) is Refused
