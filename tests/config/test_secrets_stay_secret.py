"""Whatever is wrong with a configuration, no secret of it is in any text; and keys that are no secret are refused."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from gateway.config.annotations import holds_secret, unwrapped
from gateway.config.document.diagnostics import ConfigError
from gateway.config.grammar.settings import AdminSettings, StoreSettings
from gateway.config.load import refuse_demo_keys, settings_secrets
from gateway.config.route_tests import run_tests
from gateway.config.schema import schema
from gateway.fields import MASK, Secret
from gateway.plugin.registry import Registry
from gateway.text import redaction
from tests.config.configs import KEY, Configs, FakeSink, FakeSource

CANARY = "canary7Qx93kVd0wT"
SHAPES = (
    CANARY,
    f"'{CANARY}'",
    "${C}",
    f"x{CANARY}x${{C}}",
    f"[{CANARY}]",
    f"[[{CANARY}]]",
    f"{{a: {CANARY}}}",
    f"[{{a: {CANARY}}}]",
    f"{{scheme: {CANARY}}}",
    f"{{secrets: {CANARY}}}",
    f"{{secrets: [[{CANARY}]]}}",
    f"{{secretz: [{CANARY}]}}",
    f"'http://user:{CANARY}@h/'",
    f'"\\u0063{CANARY}\\n"',
)


def fields(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The paths of all fields that hold secrets, as a file writes them, down to the secrets themselves."""
    for name, info in model.model_fields.items():
        if holds_secret(info.annotation):
            here = (*path, info.alias or name)
            yield here, info.annotation
            inner, _ = unwrapped(info.annotation)
            for leaf in (inner, *get_args(inner)):
                leaf, _ = unwrapped(leaf)
                if isinstance(leaf, type) and get_origin(leaf) is None and issubclass(leaf, BaseModel):
                    yield from fields(leaf, here)


def nested(path: tuple[str, ...], value: str) -> str:
    for key in reversed(path):
        value = f"{{{key}: {value}}}"
    return value[1:-1]


def secret_fields() -> list[tuple[str, tuple[str, ...]]]:
    registry = Registry()
    models: list[tuple[str, type[BaseModel]]] = [("admin", AdminSettings), ("store", StoreSettings)]
    models += [(f"sources.it type: {name}", registry.source(name).Options) for name in registry.source_types()]
    models += [(f"sinks.it type: {name}", registry.sink(name).Options) for name in registry.sink_types()]
    return [(where, path) for where, model in models for path, _ in fields(model)]


def written(where: str, option: str) -> str:
    if "type:" not in where:
        return f"{where}: {{{option}}}"
    kind, _, type = where.partition(".it type: ")
    return f"{kind}: {{it: {{type: {type}, {option}}}}}"


def test_secret_fields_are_there_to_be_tried() -> None:
    found = secret_fields()
    assert ("sources.it type: huawei-live", ("keys",)) in found
    assert ("sinks.it type: forward", ("sign", "secrets")) in found
    assert ("admin", ("tokens", "token")) in found


@pytest.mark.wide
@pytest.mark.parametrize(("where", "path"), secret_fields(), ids=str)
def test_a_canary_in_any_secret_field_is_in_no_text(
    configs: Configs, where: str, path: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    misspelt = (*path[:-1], path[-1] + "z")
    refused = 0
    for at in (path, misspelt, (*path, path[-1])):
        for shape in SHAPES:
            text = written(where, nested(at, shape))
            for options in ({}, {"placeholders": True}):
                try:
                    loaded = configs.load(text, {"C": CANARY}, real=True, **options)
                except ConfigError as error:
                    refused += 1
                    shown = [
                        str(error),
                        repr(error),
                        repr(error.problems),
                        json.dumps([one.as_dict() for one in error.problems]),
                    ]
                    shown += [str(one) for one in error.warnings]
                else:
                    shown = [
                        repr(loaded),
                        str(loaded.settings),
                        repr(loaded.warnings),
                        loaded.settings.model_dump_json(warnings=False),
                    ]
                assert not [one for one in shown if CANARY in one], (text, shown)
    assert refused
    assert CANARY not in caplog.text


def test_words_of_a_plugins_author_do_not_repeat_a_secret(configs: Configs) -> None:
    for text in ("tell", "crash"):
        for secret in (CANARY, "'q'", "${C}"):
            problem = configs.wrong_sink(f"text: {text}\nsecret: {secret}", {"C": CANARY})
            assert CANARY not in str(problem)
            assert not re.search(r"\bq\b", problem.found)
    assert configs.wrong_sink(f"text: tell\nsecret: {CANARY}").message == f"it is {MASK}, of all things"
    assert "KeyError at configs.py" in configs.wrong_sink(f"text: crash\nsecret: {CANARY}").message


def test_secrets_of_a_loaded_configuration_are_known_to_the_redactor(configs: Configs) -> None:
    configs.sink(f"secret: {CANARY}abc")
    assert CANARY not in redaction.redact(f"it was {CANARY}abc")


def test_every_secret_has_the_path_it_has_in_the_file(configs: Configs) -> None:
    loaded = configs.load(f"sources: {{a: {{type: fake, keys: [{KEY}]}}}}\nadmin: {{token: {KEY}}}")
    assert [path for path, _ in settings_secrets(loaded.settings)] == ["admin.token", "sources.a.keys.0"]


# -- empty and weak keys


@pytest.mark.parametrize("key", ["''", "' '", "${K}", "${K:-}", "${file:key}", "~", "short"])
def test_a_key_that_is_empty_or_too_short_is_an_error(configs: Configs, key: str) -> None:
    (configs.folder / "key").write_text("\n")
    (configs.folder / "key").chmod(0o600)
    for type_ in ("fake", "huawei-live"):
        text = f"sources: {{a: {{type: {type_}, keys: ['{key}']}}}}".replace("''", "'").replace("'~'", "~")
        problem = configs.problem(text.replace("' '", "'  '"), {"K": ""}, real=type_ != "fake")
        assert (problem.line, problem.path) == (1, "sources.a.keys.0")


# -- the example's keys

DEMO = "demo-0123456789abcdef0123456789abcdef"
SIGNING = "demo-whsec_ZGVtbyBzZWNyZXQgdGhhdCBldmVyeWJvZHkga25vd3M="
WITH_DEMO = f"sources:\n  a: {{type: fake, keys: [{KEY}, {DEMO}]}}\nsinks:\n  b: {{type: fake, secret: {SIGNING}}}\n"


@pytest.mark.parametrize(
    ("listeners", "refused"),
    [
        ("", False),
        ("server: {host: localhost}\nadmin: {host: '::1'}", False),
        ("server: {uds: a.sock}", False),
        ("server: {host: 127.9.9.9}", False),
        ("server: {host: '::ffff:127.0.0.1'}", False),
        ("server: {host: 0.0.0.0}", True),
        ("admin: {host: '::'}", True),
        ("server: {host: 10.0.0.1}", True),
        ("server: {host: gateway.internal}", True),
        ("server: {uds: a.sock}\nadmin: {host: 0.0.0.0}", True),
    ],
)
def test_demo_keys_are_refused_unless_every_listener_is_local(configs: Configs, listeners: str, refused: bool) -> None:
    loaded = configs.load(WITH_DEMO + listeners)
    assert loaded.demo_keys == ["sources.a.keys.1", "sinks.b.secret"]
    problems = refuse_demo_keys(loaded)
    assert [(one.line, one.path) for one in problems] == (
        [(2, "sources.a.keys.1"), (4, "sinks.b.secret")] if refused else []
    )
    assert all(DEMO not in str(one) for one in problems)


def test_demo_keys_on_a_host_of_the_environment_are_refused_too(configs: Configs) -> None:
    assert refuse_demo_keys(configs.load(WITH_DEMO, {"GATEWAY_SERVER_HOST": "0.0.0.0"}))


# -- who can read the file


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [
        (f"sources: {{a: {{type: fake, keys: [{KEY}]}}}}", 0o644, True),
        (f"sources: {{a: {{type: fake, keys: [{KEY}]}}}}", 0o640, True),
        (f"sources: {{a: {{type: fake, keys: [{KEY}]}}}}", 0o600, False),
        ("sources: {a: {type: fake, keys: ['${K}']}}", 0o644, False),
        (f"sources: {{a: {{type: fake, keys: [{DEMO}]}}}}", 0o644, False),
        ("store: postgresql://u:inline-password@h/d", 0o644, True),
        ("", 0o644, False),
    ],
)
def test_a_file_with_secrets_in_clear_that_others_can_read_is_a_warning(
    configs: Configs, text: str, mode: int, warned: bool
) -> None:
    from gateway.config.load import load
    from tests.config.configs import FakeRegistry

    path = configs.write(text)
    path.chmod(mode)
    found = load(path, environ={"K": KEY}, registry=FakeRegistry).warnings  # type: ignore[arg-type]
    assert bool([one for one in found if "can be read" in one.found]) is warned


# -- without production's secrets

ABSENT = """\
server: {port: "${PORT}", host: "${HOST}"}
admin: {token: "${ADMIN_TOKEN}"}
store: {url: "${STORE_URL}", password: "${file:/run/secrets/pg}"}
log: {level: "${LEVEL}"}
locale: {timezone: "${TZ_OF_PEOPLE}"}
delivery: {timeout: "${T}", rate: "${R}", concurrency: "${C}"}
sources:
  live: {type: huawei-live, keys: ["${KEY}", "${file:key}"], domains: "${DOMAIN}", min_trust: "${TRUST}", url_rules: "${RULES}"}
sinks:
  app:
    type: forward
    url: "${APP_URL}"
    sign: {scheme: standard-webhooks, secrets: ["${APP_SECRET:?}"]}
    headers: {Authorization: "Bearer ${TOKEN}"}
    method: "${METHOD}"
    proxy: "${PROXY}"
  part: {type: forward, url: "https://${APP_HOST}/x", not_found_grace: "${GRACE}"}
  disk: {type: file, path: "${LOGS}/x.jsonl", rotate: {size: "${SIZE}"}}
routes:
  - {match: {app: "${APP}"}, where: "${WHERE}", to: [app, part, disk]}
tests:
  - {event: {type: recording.failed}, expect: []}
"""


def test_without_secrets_the_rest_is_checked(configs: Configs) -> None:
    loaded = configs.load(ABSENT, real=True, placeholders=True)
    assert loaded.settings.sinks["app"].delivery.concurrency >= 1
    options: Any = loaded.settings.sources["live"].options
    assert options.keys[0].reveal()
    assert loaded.guessed
    assert not run_tests(loaded)  # because nobody knows where its routes lead
    assert len(configs.problems(ABSENT, real=True)) > 10


@pytest.mark.parametrize(
    ("change", "path"),
    [(("method:", "methood:"), "sinks.app.methood"), (("to: [app", "to: [ap"), "routes.0.to.0"), (("level:", "levle:"), "log.levle"),
     (("domains: ", "max_validity: soon, domains: "), "sources.live.max_validity"), (("type: file, ", "type: fill, "), "sinks.disk.type"),
     (('path: "${LOGS}/x.jsonl", ', ""), "sinks.disk.path"), (('"${KEY}", ', "short, "), "sources.live.keys.0")],
)  # fmt: skip
def test_without_secrets_every_other_mistake_is_found(configs: Configs, change: tuple[str, str], path: str) -> None:
    problem = configs.problem(ABSENT.replace(*change), real=True, placeholders=True)
    assert problem.path == path


def test_a_check_that_needs_the_value_is_said_to_be_left_out(configs: Configs) -> None:
    loaded = configs.load("sinks: {it: {type: fake, text: tell, secret: '${S}'}}", placeholders=True)
    assert [one for one in loaded.warnings if "without the values" in one.found]
    assert "it" not in loaded.settings.sinks
    text = "sources: {it: {type: fake, keys: ['${K}'], number: 13}}\ntests: [{callback: {source: it, file: x}, expect: []}]"
    assert "cannot be made" in configs.problem(text, placeholders=True).found
    text = text.replace("number: 13", "exact: '${E}'")
    assert not run_tests(configs.load(text, placeholders=True))


def test_the_schema_has_no_default_for_a_secret() -> None:
    class Loud(FakeSource):
        class Options(BaseModel):
            key: Secret = Secret(CANARY)
            held: dict[str, Secret] = {"a": Secret(CANARY)}
            mode: Literal["x"] = "x"

    class Only:
        def source_types(self) -> list[str]:
            return ["loud"]

        def sink_types(self) -> list[str]:
            return ["fake"]

        def source(self, name: str) -> Any:
            return Loud

        def sink(self, name: str) -> Any:
            return FakeSink

    text = json.dumps(schema(Only()))  # type: ignore[arg-type]
    assert CANARY not in text
    assert MASK not in text
