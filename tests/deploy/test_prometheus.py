"""deploy/ asks Prometheus only for what a running gateway shows, in expressions that parse, and sends nobody to a page that
is not there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.testing import running
from tests.patience import PATIENCE_S
from tests.test_docs_links import _wrong

ROOT = Path(__file__).resolve().parents[2]
RULES_FILE = ROOT / "deploy/prometheus/prometheus-rules.yaml"
RULES: list[dict[str, Any]] = yaml.safe_load(RULES_FILE.read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/prometheus/grafana-dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
SCRAPED = {"job", "instance"}  # Prometheus adds them
VARIABLES = {"$__rate_interval": "5m", "$job": "j", "$source": "s", "$sink": "k"}


def _plain(expression: str) -> str:
    """As Grafana sends it, with its variables replaced."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


EXPRESSIONS = {f"alert {rule['alert']}": rule["expr"] for rule in RULES} | {
    f"panel {panel['title']} {target['refId']}": target["expr"]
    for panel in PANELS
    for target in panel.get("targets", ())
}


def _nodes(expression: Any) -> Iterator[Any]:
    """Every part of a parsed expression."""
    yield expression
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(expression, name, None)
        if inner is not None:
            yield from _nodes(inner)
    for inner in getattr(expression, "args", ()):
        yield from _nodes(inner)


def _wants(text: str) -> tuple[set[tuple[str, str]], set[str]]:
    """(metric, label) of every selector, with "" for the metric itself, and the labels that are grouped by."""
    wanted: set[tuple[str, str]] = set()
    grouped: set[str] = set()
    for node in _nodes(promql_parser.parse(_plain(text))):
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name is not None
            wanted.add((node.name, ""))
            wanted |= {(node.name, matcher.name) for matcher in node.matchers.matchers}
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouped |= set(node.modifier.labels)
    return wanted, grouped


@pytest.fixture(scope="module")
def shown() -> dict[str, set[str]]:
    """What each metric of a running gateway is called, with its labels."""
    import asyncio

    async def read() -> tuple[str, dict[str, set[str]]]:
        config = {
            "sources": {
                "live": {"type": "standard-webhooks", "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
            },
            "sinks": {"kept": {"type": "recorder"}},
            "routes": [{"name": "all", "to": "kept"}],
        }
        async with running(config) as gateway:
            await gateway.send()
            await gateway.send(tampered=True)
            await gateway.gateway.readiness()
            metrics = gateway.gateway.metrics
            declared = {
                family.name + ("_total" if family.type == "counter" else "_info" if family.type == "info" else ""): set(
                    one._labelnames
                )
                for one in vars(metrics).values()
                if hasattr(one, "_labelnames")
                for family in one.describe()
            }
            return metrics.text().decode(), declared

    text, labels = asyncio.run(read())
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_expression_parses_and_asks_for_metrics_and_labels_that_there_are(
    name: str, shown: dict[str, set[str]]
) -> None:
    wanted, grouped = _wants(EXPRESSIONS[name])
    known = {"up": set()} | shown
    assert wanted
    for metric, label in wanted:
        assert metric in known, f"{name}: {metric}"
        assert not label or label in known[metric] | SCRAPED, f"{name}: {metric} has no label {label}"
    for label in grouped:
        assert all(label in known[metric] | SCRAPED for metric, _ in wanted), f"{name}: by {label}"


def test_a_metric_that_is_not_there_would_be_noticed(shown: dict[str, set[str]]) -> None:
    wanted, grouped = _wants('sum by (colour) (rate(recording_gateway_nothing_total{shape="x"}[5m])) > 1')
    assert wanted == {("recording_gateway_nothing_total", ""), ("recording_gateway_nothing_total", "shape")}
    assert grouped == {"colour"}
    assert "recording_gateway_nothing_total" not in shown
    with pytest.raises(ValueError, match=r"parse error|expected|unexpected|unclosed"):
        promql_parser.parse("sum by (sink (rate(x[5m]))")


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_every_alert_says_what_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["alert"].startswith("RecordingGateway")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    summary = rule["annotations"]["summary"]
    assert len(summary) > 10
    _, grouped = _wants(rule["expr"])
    named = set(re.findall(r"\$labels\.(\w+)", summary))
    plain = not grouped and "sum(" not in rule["expr"]
    assert named <= grouped | (SCRAPED | {"sink"} if plain else set()), summary
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == rule["alert"].lower()
    assert _wrong(RULES_FILE, f"../../{page}#{anchor}") is None


def test_there_is_a_rule_for_each_thing_that_a_person_must_hear_of() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    assert {rule["alert"].removeprefix("RecordingGateway") for rule in RULES} >= {
        *("NotReady", "RefusalsRise", "DeliveriesDie", "SinkDown", "DeliversLate"),
        *("StoreNearLimit", "LogLinesDropped", "SourceSilent"),
    }


def test_promtool_takes_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here; the parser above has read every expression")
    done = subprocess.run(
        [promtool, "check", "rules", str(RULES_FILE)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_has_what_grafana_wants() -> None:
    assert DASHBOARD["uid"] == "recording-gateway"
    assert DASHBOARD["title"] == "Recording Gateway"
    assert DASHBOARD["schemaVersion"] >= 36
    assert "id" not in DASHBOARD  # Grafana gives it
    first, *others = DASHBOARD["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert [variable["name"] for variable in others] == ["job", "source", "sink"]
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_every_panel_can_be_drawn(panel: dict[str, Any]) -> None:
    place = panel["gridPos"]
    assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for other in PANELS:
        there = other["gridPos"]
        apart = (
            place["x"] + place["w"] <= there["x"]
            or there["x"] + there["w"] <= place["x"]
            or place["y"] + place["h"] <= there["y"]
            or there["y"] + there["h"] <= place["y"]
        )
        assert other is panel or apart, f"{panel['title']} covers {other['title']}"
    if panel["type"] == "row":
        return
    assert panel["type"] in {"stat", "timeseries"}
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)
    for at in (panel, *panel["targets"]):
        assert at["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("variable", DASHBOARD["templating"]["list"][1:], ids=["job", "source", "sink"])
def test_every_variable_is_a_label_of_a_metric_that_there_is(
    variable: dict[str, Any], shown: dict[str, set[str]]
) -> None:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert match is not None
    wanted, _ = _wants(match[1])
    for metric, label in wanted:
        assert metric in shown
        assert not label or label in shown[metric] | SCRAPED
        assert match[2] in shown[metric] | SCRAPED
