"""What can be configured for which service, what is refused with its place, and what is hinted at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway import Http
from gateway.config.load import load
from gateway.fields import parse_rate
from gateway.testing import opened
from plugins.sinks.chat import Chat
from plugins.sinks.chat.chat_service import NAMES, service
from plugins.sinks.chat.options import ChatOptions

from .conftest import ALL, MENTION, TOKEN, options

HOOK = "https://hooks.slack.com/services/T000/B000/CANARYCANARYCANARY"


def problem(given: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ValidationError) as wrong:
        ChatOptions.model_validate(given)
    [one] = wrong.value.errors(include_input=False)
    assert "CANARY" not in one["msg"]
    return ".".join(map(str, one["loc"])), one["msg"]


@pytest.mark.parametrize(
    ("given", "where", "words"),
    [
        ({"service": "irc", "url": HOOK}, "service", "'feishu'"),
        ({"service": "slack"}, "", "`url` beside `service: slack`"),
        ({"service": "slack", "url": "hooks.slack.com/CANARY"}, "url", "https://"),
        ({"service": "slack", "url": HOOK, "secret": "CANARY"}, "", "no `secret`, which Slack has no use for"),
        ({"service": "wecom", "url": HOOK, "secret": "CANARY"}, "", "no `secret`, which WeCom"),
        ({"service": "slack", "url": HOOK, "token": "CANARY"}, "", "no `token`"),
        ({"service": "slack", "url": HOOK, "wrap": "card"}, "", "no `wrap`"),
        ({"service": "slack", "url": HOOK, "base_url": "https://x"}, "", "no `base_url`"),
        ({"service": "telegram", "url": HOOK}, "", "`token` beside"),
        ({"service": "telegram", "token": TOKEN}, "", "`chat_id` beside"),
        ({"service": "telegram", "token": TOKEN, "chat_id": "1", "url": HOOK}, "", "in the place of `url`"),
        ({"service": "telegram", "token": "1:CANARY/../x", "chat_id": "1"}, "token", "without spaces and slashes"),
        ({"service": "telegram", "token": TOKEN, "chat_id": "room"}, "chat_id", "match"),
        ({"service": "telegram", "token": TOKEN, "chat_id": "1", "thread": 0}, "thread", "greater"),
        ({"service": "slack", "url": HOOK, "mention": "anna"}, "mention", "a member's id"),
        ({"service": "feishu", "url": HOOK, "mention": ["all", "a>b"]}, "mention", "open_id"),
        ({"service": "teams", "url": HOOK, "mention": ["all"]}, "mention", "principal name"),
        ({"service": "telegram", "token": TOKEN, "chat_id": "1", "mention": ["all"]}, "mention", "@anna"),
        ({"service": "discord", "url": HOOK, "mention": ["@everyone"]}, "mention", "`role:`"),
        ({"service": "google-chat", "url": HOOK, "mention": ["users/anna"]}, "mention", "users/123456789"),
        ({"service": "mattermost", "url": HOOK, "mention": ["Anna B"]}, "mention", "a user's name"),
        ({"service": "rocket-chat", "url": HOOK, "mention": ["a b"]}, "mention", "a user's name"),
        ({"service": "wecom", "url": HOOK, "mention": ["a b"]}, "mention", "mobile"),
        ({"service": "dingtalk", "url": HOOK, "mention": ["a b"]}, "mention", "mobile"),
        ({"service": "slack", "url": HOOK, "mention": ["here"] * 21}, "mention", "at most 20"),
        ({"service": "slack", "url": HOOK, "timezone": "Asia/Shangai"}, "timezone", "Asia/Shanghai"),
        ({"service": "slack", "url": HOOK, "language": "Deutsch"}, "language", "a language tag such as en"),
        ({"service": "slack", "url": HOOK, "links": "long"}, "links", "'full'"),
        ({"service": "slack", "url": HOOK, "title": "{{ x"}, "title", "line 1"),
        ({"service": "slack", "url": HOOK, "template": "{{ event.data.x() }}"}, "template", "call cannot be used"),
        ({"service": "slack", "url": HOOK, "template": "x" * 8193}, "template", "8192"),
        ({"service": "feishu", "url": HOOK, "keyword": "[rec]"}, "", "a keyword without characters of markup"),
        ({"service": "slack", "url": HOOK, "proxy": "CANARY"}, "proxy", "a proxy such as"),
        ({"service": "slack", "url": HOOK, "proxy": "http://x:999999"}, "proxy", "a proxy such as"),
    ],
)
def test_a_wrong_option_is_located_and_explained_without_its_value(
    given: dict[str, Any], where: str, words: str
) -> None:
    place, said = problem(given)
    assert place == where
    assert words in said


@pytest.mark.parametrize("name", ALL)
def test_each_service_takes_its_own_options(name: str) -> None:
    made = ChatOptions.model_validate(options(name, mention=MENTION[name], keyword="录制", links="short"))
    assert made.mention == (MENTION[name],)
    assert made.keyword == "录制"


def hints(name: str, base: str = "http://127.0.0.1:9", **more: Any) -> list[str]:
    made = ChatOptions.model_validate(options(name, base, **more))
    return Chat("chat", made, http=Http(), log=None).advice()  # type: ignore[arg-type]


OWN = {
    "feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com", "dingtalk": "https://oapi.dingtalk.com",
    "wecom": "https://qyapi.weixin.qq.com", "slack": "https://hooks.slack.com", "discord": "https://ptb.discord.com",
    "teams": "https://prod-12.westeurope.logic.azure.com:443", "telegram": "https://api.telegram.org",
    "google-chat": "https://chat.googleapis.com", "mattermost": "https://chat.example.com",
    "rocket-chat": "https://chat.example.com",
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_the_services_own_host_needs_no_word(name: str) -> None:
    assert hints(name, OWN[name]) == []


@pytest.mark.parametrize("name", [name for name in ALL if service(name).hosts])
def test_another_host_is_hinted_at_and_taken(name: str) -> None:
    for host in ("https://proxy.example.com", f"https://{OWN[name].split('//')[1].split(':')[0]}.evil.example"):
        [said] = hints(name, host)
        assert "is not one of" in said
        assert "right for a proxy of yours" in said
        assert "canary" not in said


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("slack", {"url": "https://hooks.slack.com/workflows/T/A/1/x"}, "starts a workflow"),
        ("slack", {"url": "https://hooks.slack.com/triggers/T/1/x"}, "starts a workflow"),
        ("dingtalk", {"url": "https://oapi.dingtalk.com/robot/send"}, "no access_token="),
        ("wecom", {"url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"}, "no key="),
        ("teams", {"url": "https://acme.webhook.office.com/webhookb2/x"}, "being retired"),
        ("mattermost", {"url": "http://chat.example.com/hooks/x"}, "plain http"),
        ("slack", {"url": "http://hooks.slack.com/services/x"}, "called over https"),
    ],
)
def test_what_looks_wrong_is_hinted_at(name: str, more: dict[str, Any], words: str) -> None:
    [said] = hints(name, **more)
    assert words in said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost.", "[::1]"])
def test_a_server_of_ones_own_on_this_machine_needs_no_word(host: str) -> None:
    assert hints("mattermost", f"http://{host}:8065") == []


# -- rates


@pytest.mark.parametrize("name", ALL)
def test_the_usual_rate_is_below_what_the_service_allows(name: str) -> None:
    rate = parse_rate(Chat.usual_rate(ChatOptions.model_validate(options(name))))
    for count, seconds in service(name).allows:
        # even where messages are under way for different times, so that one burst more falls into a window
        late = 0 if name == "slack" else 1  # Slack lets short bursts pass
        assert (seconds // rate.seconds + late) * rate.count <= count


@pytest.mark.parametrize(("chat", "rate"), [("-1001234", "1/4s"), ("@channel", "1/4s"), ("4711", "1/2s")])
def test_a_person_on_telegram_can_be_told_more_than_a_group(chat: str, rate: str) -> None:
    assert Chat.usual_rate(ChatOptions.model_validate(options("telegram", chat_id=chat))) == rate


def configured(folder: Path, text: str, head: str = "") -> Any:
    path = folder / "gateway.yaml"
    path.write_text(f"{head}sinks:\n  ops: {{type: chat, {text}}}\n")
    path.chmod(0o600)
    return load(path, environ={}).settings.sinks["ops"]


def test_the_rate_zone_and_language_come_by_themselves_and_give_way(tmp_path: Path) -> None:
    robot = "service: dingtalk, url: 'https://oapi.dingtalk.com/robot/send?access_token=xxxxxxxx'"
    usual = configured(tmp_path, robot, "locale: {timezone: Asia/Shanghai, language: zh-CN}\n")
    assert str(usual.delivery.rate) == "5/20s"
    assert (usual.options.timezone, usual.options.language) == ("Asia/Shanghai", "zh-CN")
    other = configured(tmp_path, f"{robot}, language: en, delivery: {{rate: 10/m}}", "locale: {language: zh}\n")
    assert str(other.delivery.rate) == "10/m"
    assert other.options.language == "en"


# -- what is loaded


def test_only_the_configured_services_code_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"sinks:\n  ops: {{type: chat, service: slack, url: '{HOOK}'}}\n")
    path.chmod(0o600)
    program = (
        "import sys; from gateway.config.load import load; from pathlib import Path\n"
        f"load(Path({str(path)!r}), environ={{}})\n"
        "print([name for name in sys.modules if name.startswith('plugins.sinks.chat.services.')], 'jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['plugins.sinks.chat.services.slack'] False"


def test_a_gateway_without_a_chat_loads_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("sinks: {it: {type: console}}\n")
    path.chmod(0o600)
    program = (
        "import sys; from gateway.config.load import load; from pathlib import Path\n"
        f"load(Path({str(path)!r}), environ={{}})\n"
        "print([name for name in sys.modules if name.startswith(('plugins.sinks.chat', 'jinja2'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_way_through_a_proxy_is_not_tried_out() -> None:
    async with opened(Chat, options("slack", proxy="http://127.0.0.1:9")) as sink:
        assert await sink.connect() is None


def test_a_template_without_jinja2_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "plugins.sinks.cards.sandbox", raising=False)
    with pytest.raises(ValidationError, match=r"\[chat\]"):
        ChatOptions.model_validate(options("slack", template="x"))


def test_every_name_has_its_file() -> None:
    assert [service(name).title for name in NAMES]
