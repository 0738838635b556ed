"""What is probably not meant is a warning: the configuration is taken, and a person is told."""

from __future__ import annotations

import pytest

from tests.config.configs import KEY, Configs
from tests.config.test_load import SINKS, SOURCE


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (SINKS + "routes: [{to: ops}]", "no route names the sink 'app'"),
        (SINKS + "routes: [{name: all, to: [ops, app], stop: true}, {name: late, to: ops}]", "'late' is never reached"),
        (SINKS + "routes: [{match: {type: recording.fail}, to: [ops, app]}]", "did you mean recording.failed?"),
        (SINKS + "routes: [{match: {format: [hls, MP4]}, to: [ops, app]}]", "format is never 'MP4'"),
        (SINKS + "routes: [{match: {trust: 'x*'}, to: [ops, app]}]", "none, timestamp, fields, body"),
        (SINKS + SOURCE + "routes: [{match: {source: [live, liv]}, to: [ops, app]}]", "source is never 'liv'"),
        (f"sources: {{a: {{type: fake, keys: [{KEY}], allow_from: [203.0.113.0/24]}}}}", "lets nobody in"),
        (f"server: {{uds: x.sock}}\nsources: {{a: {{type: fake, keys: [{KEY}], allow_from: [127.0.0.1]}}}}", "lets nobody"),
        (f"admin: {{host: 0.0.0.0, token: {KEY}}}", "cross the network in clear"),
        ("sources: {a: {type: fake, keys: [0123456789abcdef]}}", "shorter than 32"),
        (f"sources: {{a: {{type: fake, keys: [{KEY}], number: 3}}}}", "the number is 3"),
        (f"sources: {{a: {{type: fake, keys: [{KEY}], number: 15}}}}", "its advice failed: RuntimeError at configs.py"),
        (SINKS + "routes: [{match: {stream: [a，b]}, to: [ops, app]}]", "U+FF0C FULLWIDTH COMMA"),
        (SINKS + "routes: [{match: {stream: “a”}, to: [ops, app]}]", "U+201C LEFT DOUBLE QUOTATION MARK"),
        (SINKS + "routes: [{match: {stream: a\u200b}, to: [ops, app]}]", "U+200B ZERO WIDTH SPACE"),
        (SINKS + "routes: [{match: {stream: $STREAM}, to: [ops, app]}]", "${NAME}"),
        ("sources: {a: {type: fake, keys: ['$A_KEY_THAT_NO_SHELL_FILLS_IN_HERE']}}", "looks like a variable"),
        ("sources: {a: {type: fake, keys: ['%A_KEY_THAT_NO_SHELL_FILLS_IN_HERE%']}}", "looks like a variable"),
        ("sources: {a: {type: fake, keys: ['$(cat /run/secrets/a/key/of/somebody)']}}", "${file:/path}"),
        (SINKS + SOURCE + "tests: [{event: {type: recording.failed, source: lief}, expect: []}]", "did you mean live?"),
        (SINKS + "routes: [{where: 'event.data.files[0].size_bytes > 5', to: [ops, app]}]", "has()"),
    ],
)  # fmt: skip
def test_what_is_probably_not_meant_is_a_warning(configs: Configs, text: str, warning: str) -> None:
    found = configs.load(text).warnings
    assert [one for one in found if warning in str(one)], found
    assert all(one.line for one in found)


def test_what_only_begins_like_a_variable_is_no_warning(configs: Configs) -> None:
    written = SINKS + SOURCE + "routes: [{match: {stream: [$1, 100%, $a-b, '${HOME}', '$${X}']}, to: [ops, app]}]\n"
    written += "tests: [{event: {type: recording.failed, source: /sources/live}, expect: []}]"
    found = configs.load(written, environ={"HOME": "$HOME"}).warnings
    assert not [str(one) for one in found if "variable" in str(one) or "tests" in one.path]


def test_what_stands_in_quotes_is_meant(configs: Configs) -> None:
    written = SINKS + "routes: [{match: {stream: ['“a”，b', 直播：间]}, to: [ops, app]}]"
    assert not [str(one) for one in configs.load(written).warnings if "U+" in str(one)]


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


@pytest.mark.parametrize(
    "server", ["host: 0.0.0.0", "trusted_proxies: [127.0.0.1]", "uds: x.sock, trusted_proxies: [10.0.0.1]"]
)
def test_a_list_of_callers_that_can_be_met_is_no_warning(configs: Configs, server: str) -> None:
    text = f"server: {{{server}}}\nsources: {{a: {{type: fake, keys: [{KEY}], allow_from: [203.0.113.0/24, '::1']}}}}"
    loaded = configs.load(text)
    assert not [one for one in loaded.warnings if "allow_from" in one.found]
    assert [str(one) for one in loaded.settings.sources["a"].allow_from] == ["203.0.113.0/24", "::1/128"]
