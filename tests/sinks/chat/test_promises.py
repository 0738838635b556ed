"""Every service keeps the promises of a sink that speaks HTTP, before a server that answers as the real one does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gateway import DeliveryFailed, Unavailable
from gateway.testing import HttpSinkPromises, Received
from plugins.sinks.chat import Chat

from .conftest import ALL, YES, options


class Chatting(HttpSinkPromises):
    sink = Chat
    service: ClassVar[str]
    # a robot that nobody knows takes nothing until somebody mends its address
    statuses: ClassVar[Mapping[int, type[DeliveryFailed]]] = {**HttpSinkPromises.statuses, 404: Unavailable}

    def __init_subclass__(cls) -> None:
        cls.accepted = YES[cls.service]

    def options(self, url: str) -> Mapping[str, Any]:
        return options(self.service, url)

    def identity(self, request: Received) -> Any:
        return None  # a chat has nothing to tell repeats by


class TestFeishu(Chatting):
    service = "feishu"


class TestLark(Chatting):
    service = "lark"


class TestDingtalk(Chatting):
    service = "dingtalk"


class TestWecom(Chatting):
    service = "wecom"


class TestSlack(Chatting):
    service = "slack"


class TestDiscord(Chatting):
    service = "discord"


class TestTeams(Chatting):
    service = "teams"


class TestTelegram(Chatting):
    service = "telegram"


class TestGoogleChat(Chatting):
    service = "google-chat"


class TestMattermost(Chatting):
    service = "mattermost"


class TestRocketChat(Chatting):
    service = "rocket-chat"


del Chatting, HttpSinkPromises  # they are not tests themselves


def test_no_service_is_left_out() -> None:
    tried = {one.service for name, one in globals().items() if name.startswith("Test")}
    assert tried == set(ALL)
