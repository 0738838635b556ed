"""A refused configuration still says where its store is, beyond doubt or not at all, and which names there are."""

from __future__ import annotations

import pytest

from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load
from gateway.config.loaded import Loaded
from tests.config.configs import Configs

MISTAKES = [
    "sinkz: {}\n",
    "sinks: {app: {type: forward}}\n",
    "sinks: {app: {type: forwrad, url: 'http://127.0.0.1:1'}}\n",
    "sources: {live: {type: huawei-live, keys: [short]}}\n",
    "locale: {timezone: Mars/Base}\n",
    "routes: [{name: a, to: [nobody]}]\n",
    "version: 2\n",
    "plugins: [./none.py]\n",
    "log: &a {level: info}\n",
    "log: {level: info}\nlog: {level: error}\n",
    "log: [\n",
    "log: 'never closed\n",
    "sinks:\n  app: {type: console}\n\tapp: x\n",
    "log: a\n---\nlog: b\n",
]
PLACES = [
    ("store: sqlite:///a.db\n", {}),
    ("store: {url: 'sqlite:///a.db', keep: {delivered: 3x}}\n", {}),
    ("store: {url: 'sqlite:///a.db', urll: x}\n", {}),
    ("store: 'sqlite:///${NAME}.db'\n", {"NAME": "a"}),
    ("", {"GATEWAY_STORE": "sqlite:///a.db"}),
    ("store: sqlite:///b.db\n", {"GATEWAY_STORE": "sqlite:///a.db"}),
]
DOUBTED = [
    ("store: sqlite:///a.db\nstore: sqlite:///b.db\n", {}),
    ("store: {url: 'sqlite:///a.db', url: 'sqlite:///b.db'}\n", {}),
    ("store: {url: 'sqlite:///a.db', <<: {}}\nsinkz: {}\n", {}),
    ("store: {url: sqlite:///a.db\n", {}),
    ("store: [sqlite:///a.db]\nsinkz: {}\n", {}),
    ("store: mysql://a\nsinkz: {}\n", {}),
    ("store: 'sqlite:///${NAME}.db'\nsinkz: {}\n", {}),
    ("store: {url: 'sqlite:///a.db', encryption: {keys: []}}\nsinkz: {}\n", {}),
    ("store: {url: 'postgresql://a@b/c', password: '${NONE}'}\nsinkz: {}\n", {}),
    ("log: [\nstore: sqlite:///a.db\n", {}),
    ("log: [\n", {}),
    ("store: 'sqlite:///a.db\n", {}),
    ("stor: sqlite:///a.db\n", {}),
    ("Store: {url: 'sqlite:///a.db'}\n", {}),
    ("database: sqlite:///a.db\n", {}),
    ("store: {ulr: 'sqlite:///a.db'}\n", {}),
    ("store:\nurl: sqlite:///a.db\n", {}),
    ("server:\n  store: sqlite:///a.db\n", {}),
    ("log: {level: info}\n---\nstore: sqlite:///a.db\n", {}),
    ("store:\n  url: sqlite:///a\n .db\n x: [\n", {}),
    ("store:\n  url: sqlite:///a.db\n password: x\n", {}),
    ("store: sqlite:///a.db\nlog: [\nstore: sqlite:///b.db\n", {}),
]
BY_DEFAULT = [
    "sinks: {store: {type: forward}}\n",
    "store: {keep: {delivered: 3x}}\n",
    "store:\nroutes: [{name: a, to: [nobody]}]\n",
]


def despite(configs: Configs, text: str, environ: dict[str, str] | None = None) -> Loaded:
    return load(configs.write(text), environ=environ or {}, placeholders=True, judge=False, despite=True)


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(("place", "environ"), PLACES)
def test_where_the_store_is_is_known_whatever_else_is_wrong(
    configs: Configs, mistake: str, place: str, environ: dict[str, str]
) -> None:
    text = place + mistake
    with pytest.raises(ConfigError) as raised:
        load(configs.write(text), environ=environ, judge=False)
    loaded = despite(configs, text, environ)
    assert loaded.settings.store.url == f"sqlite:///{configs.folder}/a.db"
    assert loaded.refused is not None
    assert loaded.refused.problems
    assert set(raised.value.problems) <= set(loaded.refused.problems)


@pytest.mark.parametrize(("text", "environ"), DOUBTED)
def test_where_the_store_is_is_not_guessed(configs: Configs, text: str, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        despite(configs, text, environ)


@pytest.mark.parametrize("text", BY_DEFAULT)
def test_a_file_that_names_no_store_and_no_unknown_keys_has_it_where_it_is_by_default(
    configs: Configs, text: str
) -> None:
    loaded = despite(configs, text)
    assert loaded.refused is not None
    assert loaded.settings.store.url == f"sqlite:///{configs.folder}/gateway.db"


def test_a_store_that_may_be_named_in_a_mistake_can_be_named_beside_the_file(configs: Configs) -> None:
    with pytest.raises(ConfigError, match=r"(?s)1:1: stor: .*store: .*GATEWAY_STORE"):
        despite(configs, "stor: sqlite:///b.db\n")
    loaded = despite(configs, "stor: sqlite:///b.db\n", {"GATEWAY_STORE": "sqlite:///a.db"})
    assert loaded.settings.store.url == f"sqlite:///{configs.folder}/a.db"


def test_of_a_file_that_cannot_be_read_so_far_it_says_how_the_store_can_be_named(configs: Configs) -> None:
    with pytest.raises(ConfigError, match=r"(?s):2:1: not YAML.*:2:1: store: .*GATEWAY_STORE"):
        despite(configs, "log: [\n")


def test_what_is_well_is_not_refused(configs: Configs) -> None:
    loaded = despite(configs, "store: sqlite:///a.db\n")
    assert loaded.refused is None
    assert not loaded.cut


def test_an_entry_that_cannot_be_used_is_there_by_its_name_and_with_what_can_be_read(configs: Configs) -> None:
    loaded = despite(
        configs,
        "sinks:\n"
        "  app: {type: forward, urll: x, delivery: {rate: 5/s}}\n"
        "  much: {type: pull, unknown: 1}\n"
        "  odd: {type: nothing-of-the-kind}\n"
        "  'not a name ': {type: console}\n"
        "  well: {type: console}\n"
        "sources:\n"
        "  live: {type: huawei-live, path: secret-path, keys: 7, min_trust: fields}\n"
        "  other: {type: huawei-live, min_trust: 9}\n",
    )
    sinks, sources = loaded.settings.sinks, loaded.settings.sources
    assert {name: one.type for name, one in sinks.items()} == {
        "app": "forward", "much": "pull", "odd": "nothing-of-the-kind", "well": "console",
    }  # fmt: skip
    assert str(sinks["app"].delivery.rate) == "5/s"
    assert sinks["much"].pulled
    assert (sources["live"].path, sources["live"].min_trust) == ("secret-path", "fields")
    assert sources["other"].path == ""  # because what it says of itself cannot be believed
    assert not loaded.cut


def test_behind_a_mistake_of_the_yaml_names_are_missing_and_it_says_so(configs: Configs) -> None:
    loaded = despite(configs, "store: sqlite:///a.db\nsinks:\n  app: {type: console}\n  b: {type: [\nsources: {}\n")
    assert loaded.cut
    assert "app" in loaded.settings.sinks
    assert loaded.refused is not None
    assert len(loaded.refused.problems) == 1  # the rest are consequences
