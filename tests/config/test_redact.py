"""`redact` in the configuration: a path that can never fit is said with its place, and so is a sink that needs what is taken out."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load
from gateway.config.loaded import Loaded
from gateway.config.route_tests import run_tests
from gateway.reload import ReloadRefused, refuse_what_is_wrong

KEYS = "keys: [0123456789abcdef0123456789abcdef], domains: [push.example.com], apps: [live]"
SINKS = """
sinks:
  copies: {type: archive, to: ., confirm: {}}
  looks: {type: confirm}
  raw: {type: forward, url: http://127.0.0.1:9/, body: raw, allow_private: true}
  own: {type: forward, url: http://127.0.0.1:9/, allow_private: true}
"""


def loaded(folder: Path, text: str) -> Loaded:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return load(path, environ={})


def problems(folder: Path, text: str) -> list[str]:
    try:
        loaded(folder, text)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_path_that_leads_to_nothing_is_said_at_its_place(tmp_path: Path) -> None:
    said = problems(
        tmp_path,
        f"store: {{redact: ['$.data.files[*].download_url', $.data.stream]}}\nsources:\n  live: {{type: huawei-live, {KEYS}, "
        "redact: ['$.data.files[*].downlod_url']}\n",
    )
    assert len(said) == 2
    assert "gateway.yaml:1:" in said[0]
    assert "store.redact[1]" in said[0] or "store.redact.1" in said[0]
    assert "another field than `stream`" in said[0]
    assert "did you mean 'download_url'?" in said[1]


def with_routes(redact: str, routes: str, store: str = "sqlite:///g.db") -> str:
    return f"""
store: {store}
sources:
  live: {{type: huawei-live, {KEYS}, min_trust: fields, redact: ["{redact}"]}}
  other: {{type: huawei-live, {KEYS}, min_trust: fields}}
{SINKS}
routes:
  - {routes}
"""


URL = "$.data.files[*].download_url"


@pytest.mark.parametrize(
    ("redact", "routes", "named"),
    [
        (URL, "{to: [own, copies]}", f"routes.0.to.1: the sink 'copies' cannot do without {URL}"),
        (URL, "{to: looks}", "the sink 'looks' cannot do without"),
        ("$.data.files", "{to: copies}", "the sink 'copies'"),
        ("$.data.files[0].*", "{to: copies}", "the sink 'copies'"),
        ("$..download_url", "{to: copies}", "the sink 'copies'"),
        ("$.data.extra.phone", "{to: raw}", "the sink 'raw' cannot do without the vendor's bytes"),
        ("$.data.extra.phone", "{to: [own, copies, looks]}", ""),
        ("$.data.files[*].play_url", "{to: copies}", ""),
        (URL, "{match: {source: other}, to: copies}", ""),
        (URL, "{match: {type: recording.failed}, to: copies}", ""),
        (URL, "{to: own}", ""),
    ],
)
def test_a_sink_that_needs_what_is_taken_out_is_a_mistake(tmp_path: Path, redact: str, routes: str, named: str) -> None:
    said = problems(tmp_path, with_routes(redact, routes))
    assert [named in one and "source 'live'" in one for one in said] == ([True] if named else [])


def test_behind_a_condition_it_is_a_warning(tmp_path: Path) -> None:
    made = loaded(tmp_path, with_routes(URL, "{where: 'event.source != \"live\"', to: copies}"))
    assert ["cannot do without" in one.found for one in made.warnings].count(True) == 1


@pytest.mark.parametrize(
    ("where", "warned"),
    [
        ('event.data.files.exists(f, f.download_url.startsWith("https"))', True),
        ("event.data.files.exists(f, has(f.size_bytes))", False),
        ('event.data.stream == "download_urls"', False),
    ],
)
def test_a_condition_that_looks_at_what_is_taken_out_is_a_warning(tmp_path: Path, where: str, warned: bool) -> None:
    made = loaded(tmp_path, with_routes(URL, f"{{where: '{where}', to: own}}"))
    assert any("is redacted of the events of the source 'live'" in one.found for one in made.warnings) is warned
    other = loaded(tmp_path, with_routes(URL, f"{{match: {{source: other}}, where: '{where}', to: own}}"))
    assert not [one for one in other.warnings if "redacted" in one.found]


def test_a_list_in_brackets_that_yaml_does_not_take_says_that_it_wants_quotes(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, f"sources: {{live: {{type: huawei-live, {KEYS}, redact: [{URL}]}}}}\n")
    assert f'["{URL}"]' in said


def test_route_tests_see_what_the_routes_see(tmp_path: Path) -> None:
    where = "{where: 'event.data.files.exists(f, f.download_url == \"[redacted]\")', to: own}"
    test = "tests:\n  - {event: {type: recording.file.completed, source: live}, expect: [own]}\n"
    assert run_tests(loaded(tmp_path, with_routes(URL, where) + test)) == []


def test_the_rules_of_a_source_may_change_while_it_runs_and_those_of_the_store_not(tmp_path: Path) -> None:
    running = loaded(tmp_path, with_routes(URL, "{to: own}"))
    refuse_what_is_wrong(running, loaded(tmp_path, with_routes("$.data.extra", "{to: own}")))
    new = loaded(tmp_path, with_routes(URL, "{to: own}", "{redact: $.data.extra}"))
    assert set(new.redactions) == {"live", "other"}
    with pytest.raises(ReloadRefused, match="store"):
        refuse_what_is_wrong(running, new)


def test_a_plugin_that_wants_what_is_no_field_is_a_problem_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from gateway import Sink\n\n\nclass Mine(Sink):\n    type = 'mine'\n    wanted_fields = ('files.url',)\n\n"
        "    async def deliver(self, delivery): ...\n"
    )
    (said,) = problems(tmp_path, "plugins: [./mine.py]\nsinks: {one: {type: mine}}\n")
    assert "the mine does not say which fields it wants" in said


def test_a_key_that_looks_at_what_is_taken_out_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "owners.csv").write_text("owner,url\nanna,http://127.0.0.1:9/\n")
    text = f"""
sources:
  live: {{type: huawei-live, {KEYS}, redact: ['$.data.extra.studio']}}
sinks:
  people: {{type: forward, directory: {{file: owners.csv, key: event.data.extra.studio}}}}
  others: {{type: forward, directory: {{file: owners.csv, key: event.data.stream}}}}
routes: [{{to: [people, others]}}]
"""
    found = [str(one) for one in loaded(tmp_path, text).warnings if "they have no owner then" in one.found]
    assert len(found) == 1
    assert "'people' looks at studio" in found[0]
