"""When spans are made: as OpenTelemetry's variables say; what is wrong with these is told by `check` and `serve`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.config.load import load, refuse_to_serve
from gateway.runtime import trace_settings
from gateway.runtime.trace_export import make_traces
from gateway.runtime.trace_settings import is_exported, problems
from gateway.runtime.traces import OFF
from gateway.testing import Reply, ScriptedServer, running
from tests.commands import invoke
from tests.patience import PATIENCE_S
from tests.traces.collector import Collector, collector
from tests.traces.test_callbacks import _recorder

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
WANTED = {
    "nothing": ({}, False),
    "an endpoint": (ENDPOINT, True),
    "an endpoint for traces": ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
    "an empty endpoint": ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
    "the exporter alone": ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
    "no exporter": (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
    "disabled": (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False),
    "disabled by another word": (ENDPOINT | {"OTEL_SDK_DISABLED": "1"}, True),
    "only a name": ({"OTEL_SERVICE_NAME": "x"}, False),
}
WRONG = {
    "OTEL_TRACES_EXPORTER": "zipkin",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317",
    "OTEL_TRACES_SAMPLER": "sometimes",
    "OTEL_PROPAGATORS": "b3",
}


@pytest.mark.parametrize(("environ", "on"), WANTED.values(), ids=WANTED)
def test_the_standard_variables_switch_traces_on_and_off(environ: dict[str, str], on: bool) -> None:
    assert is_exported(environ) is on
    assert problems(environ) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_variable_that_cannot_be_followed_is_named(name: str) -> None:
    assert [variable for variable, _ in problems(ENDPOINT | {name: WRONG[name]})] == [name]
    assert problems(ENDPOINT | {name: WRONG[name], "OTEL_SDK_DISABLED": "true"}) == []


def test_a_certificate_that_is_a_pipe_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    for name in trace_settings.FILES:
        assert [variable for variable, _ in problems(ENDPOINT | {name: str(pipe)})] == [name]
        assert problems(ENDPOINT | {name: str(tmp_path)}) == []


@pytest.mark.parametrize("ratio", ["2", "-0.1", "nan", "half"])
def test_a_ratio_that_is_none_is_named(ratio: str) -> None:
    environ = ENDPOINT | {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}
    assert [variable for variable, _ in problems(environ)] == ["OTEL_TRACES_SAMPLER_ARG"]


def test_without_the_library_check_and_serve_say_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "version: 1\nsources: {live: {type: standard-webhooks, secrets: [whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=]}}\n"
        "sinks: {out: {type: console}}\nroutes: [{to: out}]\n"
    )
    config.chmod(0o600)
    monkeypatch.setattr(trace_settings, "MODULES", ("opentelemetry_that_is_not_there.sdk",))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    checked = invoke(["check"], cwd=tmp_path)
    assert checked.exit_code == 1
    [refused] = refuse_to_serve(load(config))  # what `serve` asks
    for text in (checked.output, str(refused)):
        assert "environment: OTEL_EXPORTER_OTLP_ENDPOINT" in text
        assert "pip install '.[otel]'" in text
    assert make_traces({**ENDPOINT}) is OFF  # embedded: no spans, and everything else goes on


def test_nothing_of_opentelemetry_is_imported_while_nobody_asks() -> None:
    code = (
        "import asyncio, sys\n"
        "from gateway.testing import running\n"
        "async def main():\n"
        "    config = {'sources': {'live': {'type': 'standard-webhooks', 'secrets': ['whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=']}},\n"
        "        'sinks': {'kept': {'type': 'recorder'}}, 'routes': [{'to': 'kept'}]}\n"
        "    async with running(config) as gateway:\n"
        "        assert (await gateway.send()).status == 200\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('opentelemetry', 'google', 'requests')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


async def test_the_resource_is_named_by_the_standard_variables(
    spans: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-gateway")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush-hush-key-of-the-collector")
    async with running(_recorder()) as gateway:
        await gateway.send()
        spans.wait("POST", 1)
    assert spans.resources[0]["service.name"] == "our-gateway"
    assert spans.resources[0]["deployment.environment.name"] == "test"
    assert {"service.version", "service.instance.id"} <= set(spans.resources[0])
    path, headers = spans.requests[0]
    assert path == "/v1/traces"
    assert headers["authorization"] == "Bearer hush-hush-key-of-the-collector"
    from gateway.text.redaction import redact

    assert "hush" not in redact("401 for hush-hush-key-of-the-collector")


async def test_a_sampler_of_none_exports_nothing_and_the_trace_still_goes_on(
    spans: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.traces.test_one_trace import _config

    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    async with ScriptedServer() as server, running(_config(server.url)) as gateway:
        await gateway.send()
    [request] = server.received
    assert int(str(request.header("traceparent"))[-2:], 16) & 1 == 0
    assert spans.spans == []


@pytest.mark.parametrize("trouble", ["refuses", "is not there", "never answers"])
async def test_a_collector_in_trouble_holds_up_and_breaks_nothing(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")  # longer than a test may take
    monkeypatch.setattr("gateway.runtime.otel.CLOSE_SECONDS", 0.2)
    with collector(status=400) as receiver:
        async with ScriptedServer(otherwise=Reply(hang=True)) as silent:
            url = {"refuses": receiver.url, "is not there": "http://127.0.0.1:9", "never answers": silent.url}[trouble]
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
            async with running(_recorder()) as gateway:
                for _ in range(5):
                    assert (await gateway.send()).status == 200
                assert len(gateway.delivered()) == 5


async def test_spans_that_cannot_be_made_are_no_reason_to_refuse_a_callback(
    spans: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(_recorder()) as gateway:

        def broken(*args: object, **more: object) -> None:
            raise RuntimeError("the library's own mistake")

        traces: Any = gateway.gateway.traces
        monkeypatch.setattr(traces._tracer, "start_span", broken)
        assert (await gateway.send()).status == 200
        assert len(gateway.delivered()) == 1


def test_a_library_that_fails_costs_the_spans_and_not_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no exporter")

    monkeypatch.setattr("gateway.runtime.otel.OtelTraces.__init__", fail)
    with capture_logs() as lines:
        assert make_traces({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}) is OFF
    assert [(line["event"], line["log_level"]) for line in lines] == [("traces_off", "error")]


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:port", "ftp://127.0.0.1", "127.0.0.1:4318"])
def test_an_address_that_is_none_is_named_and_nothing_is_exported(url: str) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
    assert [variable for variable, _ in problems(environ)] == ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert make_traces(environ) is OFF
