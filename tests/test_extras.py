"""What is not installed is a mistake of the configuration that needs it, and every text says how it really installs."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from gateway.extras import how_to_install
from tests.config.configs import Configs

ROOT = Path(__file__).resolve().parent.parent
NEEDS = [
    (
        "sinks: {x: {type: email, host: mail.example.com, from: a@example.com, to: b@example.com}}",
        "email",
        "aiosmtplib",
    ),
    ("sinks: {x: {type: database, url: 'mysql://db.example.com/d?ssl_mode=verify_identity'}}", "database", "aiomysql"),
    ("sinks: {x: {type: database, url: 'postgresql://db/d?sslmode=verify-full'}}", "database", "psycopg"),
    ("sinks: {x: {type: apprise, url: 'ntfys://h/t'}}", "apprise", "apprise"),
    ("sinks: {x: {type: nats, url: 'nats://127.0.0.1'}}", "nats", "nats"),
    ("sinks: {x: {type: rabbitmq, url: 'amqp://127.0.0.1'}}", "rabbitmq", "aio_pika"),
    ("sinks: {x: {type: mqtt, url: 'mqtt://127.0.0.1'}}", "mqtt", "aiomqtt"),
    ("sinks: {x: {type: kafka, brokers: 'localhost:9092'}}", "kafka", "aiokafka"),
    ("sinks: {x: {type: redis, url: 'redis://127.0.0.1'}}", "redis", "redis"),
    ("store: postgresql://db.example.com/g", "postgres", "psycopg"),
    (f"store: {{encryption: {{keys: [{{name: a, key: {'0f' * 32}}}]}}}}", "encryption", "cryptography"),
]


@pytest.fixture
def configs(tmp_path: Path) -> Configs:
    return Configs(tmp_path)


@pytest.mark.parametrize(("text", "extra", "module"), NEEDS)
def test_a_missing_library_of_what_is_configured_is_an_error_that_says_how_to_install_it(
    configs: Configs, monkeypatch: pytest.MonkeyPatch, text: str, extra: str, module: str
) -> None:
    configs.load(text, real=True)  # here everything is installed
    really = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == module else really(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    (problem,) = configs.problems(text, real=True)
    assert f"not installed here: {module}; {how_to_install(extra)}" in problem.message
    assert problem.path.startswith("sinks.x" if text.startswith("sinks") else "store")


def test_no_text_says_that_the_project_comes_from_an_index() -> None:
    files = [
        *(ROOT / "gateway").rglob("*.py"),
        *(ROOT / "plugins").rglob("*.py"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        ROOT / "README.md",
        ROOT / "config.example.yaml",
    ]
    said = ("pip install recording-gateway", "pip install 'recording-gateway", 'pip install "recording-gateway')
    assert [str(file) for file in files if any(text in file.read_text() for text in said)] == []
