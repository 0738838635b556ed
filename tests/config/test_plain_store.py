"""Where a store lies is read without the grammar only where the whole configuration says the same."""

from __future__ import annotations

import pytest

from gateway.config.grammar.settings import Settings, StoreSettings
from gateway.config.plain_store import OF_STORE, SECTIONS, plain_store
from tests.config.configs import Configs

PLAIN = [
    ("sources: {}\n", {}),
    ("store:\n", {}),
    ("store: {}\n", {}),
    ("store: sqlite:///my%20events.db\n", {}),
    ("store: sqlite:////var/lib/events.db\n", {}),
    ("store: 'sqlite:///${NAME}.db'\n", {"NAME": "here"}),
    ("store: 'sqlite:///${NAME:-else}.db'\n", {}),
    ("store: {url: 'sqlite:///a.db', keep: {delivered: 3d}}\n", {}),
    ("store: {remember: 60d}\n", {}),
    ("sources:\n", {}),
    (
        "sinks: {a: {type: open}, b: {type: batching}}\nsources: {c: {type: fake, keys: ['0123456789abcdef']}}\n",
        {},
    ),
    ("store: sqlite:///a.db\n", {"GATEWAY_STORE": "sqlite:///b.db"}),
    ("store: postgresql://user@host/database\n", {"GATEWAY_STORE": "sqlite:///b.db"}),
    ("store: {keep: {dead: 5d}}\n", {"GATEWAY_STORE": "sqlite:///b.db"}),
]
NOT_PLAIN = [
    ("store: postgresql://user@host/database\n", {}),
    ("store: sqlite:///a.db\n", {"GATEWAY_STORE": "postgresql://user@host/database"}),
    ("store: {url: 'sqlite:///a.db', encryption: {keys: []}}\n", {}),
    ("store: {url: 'postgresql://user@host/database', password: x}\n", {}),
    ("store: 'sqlite:///${NAME}.db'\n", {}),
    ("store: '${file:/no/such/file}'\n", {}),
    ("store: {url: [1]}\n", {}),
    ("store: [sqlite:///a.db]\n", {}),
    ("store: sqlite://a.db\n", {}),
    ("store: mysql://a\n", {}),
    ("store: &a sqlite:///a.db\n", {}),
    ("- store\n", {}),
    ("store: {url: ", {}),
    ("stor: sqlite:///a.db\n", {}),
    ("store: {ulr: 'sqlite:///a.db'}\n", {}),
    ("store:\nurl: sqlite:///a.db\n", {}),
]


@pytest.mark.parametrize(("text", "environ"), PLAIN)
def test_a_plain_store_is_where_the_whole_configuration_says(
    configs: Configs, text: str, environ: dict[str, str]
) -> None:
    found, settings = plain_store(configs.write(text), environ), configs.load(text, environ).settings
    assert found == (settings.store.url, settings.sinks.keys(), settings.sources.keys())


@pytest.mark.parametrize(("text", "environ"), NOT_PLAIN)
def test_of_anything_else_the_whole_configuration_is_asked(
    configs: Configs, text: str, environ: dict[str, str]
) -> None:
    assert plain_store(configs.write(text), environ) is None


def test_the_keys_that_it_knows_are_those_of_the_grammar() -> None:
    assert Settings.model_fields.keys() == SECTIONS
    assert StoreSettings.model_fields.keys() == OF_STORE
