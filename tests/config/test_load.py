"""A configuration is checked whole, and everything that is wrong is said at once, with its place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gateway.assembly import keep_of
from gateway.config.document.diagnostics import ConfigError
from gateway.config.grammar.settings import Settings
from gateway.model import Trust
from tests.config.configs import KEY, Configs
from tests.examples import examples

SOURCE = f"sources:\n  live: {{type: fake, keys: [{KEY}]}}\n"
SINKS = "sinks:\n  ops: {type: batching}\n  app: {type: batching}\n"


def test_the_whole_grammar_of_the_design_is_read(configs: Configs) -> None:
    loaded = configs.load(
        """
        version: 1
        server:
          host: 127.0.0.1
          port: ${PORT:-8080}
          max_body: 256KiB
          body_timeout: 10s
          shutdown_grace: 20s
          trusted_proxies: [10.0.0.0/8, "::1", 10.1.2.3/16]
        admin: {host: 127.0.0.1, port: 9090, token: "${GATEWAY_ADMIN_TOKEN:-}"}
        store:
          url: sqlite:///gateway.db
          remember: 30d
          keep: {delivered: 7d, unrouted: 7d, dead: 90d, refused: 200}
          limits: {waiting: 1000000, free_disk: 256MiB}
        log: {level: info, format: auto}
        locale: {timezone: UTC, language: en}
        delivery:
          timeout: 15s
          concurrency: 4
          rate: null
          order: none
          batch: null
          retry: {initial: 5s, max: 1h, give_up_after: 3d, max_retry_after: 6h}
        plugins: [./my_sinks.py, my_package.sinks]
        sources:
          live: {type: fake, path: live, keys: ["${HUAWEI_LIVE_KEY}"], min_trust: timestamp, on_conflict: hold}
        sinks:
          app: {type: fake, url: http://127.0.0.1:9000/r, delivery: {concurrency: 8, retry: {give_up_after: 7d}}}
          ops: {type: batching}
        routes:
          - name: failures
            match: {type: recording.failed, stream: ["vip-*", main, 1001]}
            to: [ops, app]
          - name: long-files
            match: {type: recording.file.completed, app: live}
            where: "event.data.files.exists(f, has(f.duration_seconds) && f.duration_seconds > 60.0)"
            to: [app]
        tests:
          - {event: {type: recording.failed, stream: vip-7}, expect: [ops, app]}
        """,
        {"HUAWEI_LIVE_KEY": KEY},
    )
    made = loaded.settings
    assert made.server.trusted_proxies[2].with_prefixlen == "10.1.0.0/16"
    assert made.admin.all_tokens == ()
    assert made.plugins == ("./my_sinks.py", "my_package.sinks")
    assert made.routes[0].match == {"type": ("recording.failed",), "stream": ("vip-*", "main", "1001")}
    assert made.sinks["app"].delivery.concurrency == 8
    assert made.sinks["app"].delivery.retry.give_up_after == timedelta(days=7)
    assert made.sinks["app"].delivery.retry.max == timedelta(hours=1)
    live: Any = made.sources["live"].options
    assert live.keys[0].reveal() == KEY
    assert not loaded.warnings


def test_an_empty_file_is_a_configuration_with_every_default(configs: Configs) -> None:
    made = configs.load("").settings
    default = Settings()
    assert made.server == default.server
    assert made.delivery == default.delivery
    assert made.store.url == f"sqlite:///{configs.folder}/gateway.db"
    keep = keep_of(made.store)
    assert (keep.remember, keep.dead, keep.refused, keep.waiting) == (
        timedelta(days=30),
        timedelta(days=90),
        200,
        10**6,
    )
    assert (
        configs.load(
            "server:\nadmin: ~\nsources:\nsinks: null\nroutes:\ntests:\ndelivery:\nplugins:\n"
        ).settings.sources
        == {}
    )


def test_everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file(configs: Configs) -> None:
    problems = configs.problems(
        """\
        versoin: 1
        server: {port: high}
        store: mysql://x
        delivery: {timeout: soon}
        sources:
          live: {type: fake, keys: []}
          Live: {type: fake}
          other: {type: fakee}
        sinks:
          app: {type: fake, urll: x}
          odd: 5
        routes:
          - {name: a, match: {ap: x}, to: [app, ap]}
        tests:
          - {event: {}, expect: [nobody]}
          - {expect: []}
        """
    )
    assert [(problem.line, problem.path) for problem in problems] == [
        (1, "versoin"), (2, "server.port"), (3, "store"), (4, "delivery.timeout"), (7, "sources.Live"), (8, "sources.other.type"),
        (10, "sinks.app.urll"), (11, "sinks.odd"), (13, "routes.0.match.ap"), (13, "routes.0.to.1"), (15, "tests.0.expect.0"),
        (16, "tests.1"),
    ]  # fmt: skip
    hints = {problem.path: problem.hint for problem in problems}
    assert hints["versoin"] == "did you mean version?"
    assert hints["sources.other.type"] == "did you mean fake?"
    assert hints["sinks.app.urll"] == "did you mean url?"
    assert hints["routes.0.match.ap"] == "did you mean app?"
    assert hints["routes.0.to.1"] == "did you mean app?"


def test_a_plugin_beside_the_file_brings_its_type_and_its_options(configs: Configs) -> None:
    (configs.folder / "mine.py").write_text(
        "from gateway import Options, Sink\n"
        "class Mine(Sink):\n"
        "    type = 'mine'\n"
        "    class Options(Options):\n"
        "        colour: str = 'red'\n"
        "    async def deliver(self, delivery):\n"
        "        return None\n"
    )
    (configs.folder / "mine.py").chmod(0o600)
    (configs.folder / "broken.py").write_text("import there_is_no_such_module\n")
    (configs.folder / "broken.py").chmod(0o600)
    text = "plugins: [./mine.py]\nsinks:\n  a: {type: mine, colour: blue}\n"
    settings: Any = configs.load(text, real=True).settings
    assert (settings.plugins, settings.sinks["a"].options.colour) == (("./mine.py",), "blue")
    assert configs.problem(text.replace("colour", "color"), real=True).hint == "did you mean colour?"
    problem = configs.problem(text.replace("[./mine.py]", "[./broken.py, ./mine.py]"), real=True)
    assert (problem.line, problem.path) == (1, "plugins.0")
    assert "there_is_no_such_module" in problem.found


# -- names, scalars and defaults


def test_an_app_called_no_is_matched_as_text(configs: Configs) -> None:
    loaded = configs.load(SINKS + "routes:\n  - {match: {app: no, stream: 1001, domain: [true, 007]}, to: ops}\n")
    assert loaded.settings.routes[0].match == {"app": ("no",), "stream": ("1001",), "domain": ("true", "007")}
    assert loaded.settings.routes[0].name == "route-1"


def test_delivery_is_merged_key_by_key(configs: Configs) -> None:
    made = configs.load(
        """
        delivery: {timeout: 20s, batch: {max: 5, window: 1m}, retry: {max: 2h, initial: 9s}}
        sinks:
          a: {type: batching, delivery: {batch: {max: 7}, retry: {max: 30m}}}
          b: {type: batching, delivery: {batch: null}}
          c: {type: fake}
        """
    ).settings
    a = made.sinks["a"].delivery
    assert (a.timeout, a.retry.initial, a.retry.max) == (
        timedelta(seconds=20),
        timedelta(seconds=9),
        timedelta(minutes=30),
    )
    assert a.batch is not None
    assert (a.batch.max, a.batch.window) == (7, timedelta(minutes=1))
    assert made.sinks["b"].delivery.batch is None
    assert made.sinks["c"].delivery.batch is None  # because this type takes events singly


@pytest.mark.parametrize(
    ("top", "own", "rate"),
    [
        ("", "", "20/m"),
        ("rate: 5/s", "", "5/s"),
        ("rate: null", "", "20/m"),
        ("", "rate: null", "None"),
        ("rate: 5/s", "rate: 1/h", "1/h"),
    ],
)
def test_a_types_own_rate_holds_where_the_configuration_names_none(
    configs: Configs, top: str, own: str, rate: str
) -> None:
    made = configs.load(f"delivery: {{{top}}}\nsinks: {{a: {{type: fake, delivery: {{{own}}}}}}}").settings
    assert str(made.sinks["a"].delivery.rate) == rate
    assert made.delivery.rate is None or str(made.delivery.rate) == "5/s"


def test_min_trust_is_none_only_where_no_signature_is_asked_for(configs: Configs) -> None:
    made = configs.load(
        f"""
        sources:
          a: {{type: fake, keys: [{KEY}]}}
          b: {{type: fake, keys: [{KEY}], flag: true}}
          c: {{type: fake, keys: [{KEY}], flag: true, min_trust: fields}}
        """
    ).settings.sources
    assert [made[name].min_trust for name in "abc"] == [Trust.TIMESTAMP, Trust.NONE, Trust.FIELDS]
    assert made["a"].path == "a"


# -- warnings


def test_a_plugin_that_cannot_be_made_is_named_without_its_words(configs: Configs) -> None:
    problem = configs.problem(f"sources: {{a: {{type: fake, keys: [{KEY}], number: 13}}}}")
    assert "cannot be made: RuntimeError at configs.py" in problem.found
    assert KEY not in str(problem)


_words = st.sampled_from(
    [
        "version",
        "server",
        "admin",
        "store",
        "log",
        "delivery",
        "plugins",
        "sources",
        "sinks",
        "routes",
        "tests",
        "type",
        "fake",
        "live",
        "name",
        "match",
        "where",
        "to",
        "stop",
        "keys",
        "path",
        "expect",
        "event",
        "callback",
        "file",
        "source",
        "retry",
        "rate",
        "batch",
        "host",
        "port",
        "uds",
        "token",
        "tokens",
        "url",
        "1",
        "1s",
        "true",
        "null",
        "${X}",
        "${file:x}",
        "''",
        "[]",
        "{}",
        "-5",
        "0.0.0.0",
        "recording.failed",
    ]
)
_trees = st.recursive(
    _words,
    lambda inside: (
        st.lists(inside, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.dictionaries(_words, inside, max_size=4).map(
            lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}"
        )
    ),
    max_leaves=20,
)


@examples(300, HealthCheck.function_scoped_fixture)
@given(
    st.dictionaries(_words, _trees, max_size=5).map(lambda d: "\n".join(f"{k}: {v}" for k, v in d.items())) | st.text()
)
def test_no_text_makes_load_raise_anything_but_config_error(configs: Configs, text: str) -> None:
    try:
        configs.load(text.replace("\r", "").encode("utf-8", "replace").decode(), {"X": "x"})
    except ConfigError as error:
        assert error.problems  # noqa: PT017  # most texts are mistakes, and the few that are not are right as well
