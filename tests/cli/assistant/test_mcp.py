"""`gateway mcp`: an assistant asks and is answered with data alone; what it may change is shown first, confirmed, written down."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.remote_client import Remote
from gateway.cli.remote_service import RemoteService
from gateway.errors import GatewayError
from gateway.runtime.clock import FrozenClock
from tests.cli.conftest import KEY, ROOT, Cli
from tests.web.admin_api import OPERATE, ask, post, serve_filled
from tests.web.doors import Served

from .talk import CHANGING, FORBIDDEN, READING, asked, audit, refused, talking

# -- what there is


async def test_it_only_reads_unless_it_is_allowed_more(stocked: Path) -> None:
    async with talking(stocked) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READING
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
        assert (await refused(client, "make_change", act="pause_sink", target="lines", confirmation="x"))[
            "code"
        ] == "not_found"
    async with talking(stocked, operate=True) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READING | CHANGING
        assert [name for name, tool in tools.items() if not tool.annotations.read_only_hint] == ["make_change"]  # type: ignore[union-attr]
        acts = tools["make_change"].input_schema["properties"]["act"]["enum"]
        assert not [act for act in acts for word in FORBIDDEN if word in act]


def test_no_description_holds_anything_that_is_not_ours() -> None:
    from gateway.cli.assistant.assistant_server import tools_of

    written = {
        name: tool.described.model_dump_json() for name, tool in tools_of(operate=True, clock=FrozenClock()).items()
    }
    assert written == {
        name: tool.described.model_dump_json() for name, tool in tools_of(operate=True, clock=FrozenClock()).items()
    }
    assert all(text.isascii() for text in written.values())


# -- what it is asked


async def test_each_question_is_answered(stocked: Path) -> None:
    async with talking(stocked) as client:
        status = await asked(client, "status")
        assert [one["kind"] for one in status["needs_a_person"]] == ["gateway.stopped", "delivery.dead"]
        found = await asked(client, "find_events", type="recording.failed", state="dead")
        (event,) = found["items"]
        assert (await asked(client, "find_events", q=event["id"][:8]))["items"] == [event]
        shown = await asked(client, "show_event", ref=event["ref"])
        assert shown["event"]["data"]["stream"] == "stream-0"
        assert set(shown["raw"]) == {"media_type", "size_bytes"}
        why = await asked(client, "why_not_delivered", ref=event["ref"])
        (dead,) = [one for one in why["deliveries"] if one["state"] == "dead"]
        assert (dead["sink"], dead["reason"], dead["last_attempts"][0]["outcome"]) == ("lines", "refused", "refused")
        assert why["routes"][0]["verdicts"][0]["route"] == "failures"
        unrouted = (await asked(client, "find_events", type="recording.started"))["items"][0]
        why = await asked(client, "why_not_delivered", ref=unrouted["ref"])
        assert (why["routed_to"], why["routes"][0]["verdicts"][0]["clause"]) == ([], "type")
        letters = await asked(client, "dead_letters")
        assert (letters["dead_by_sink"], letters["items"][0]["id"]) == ({"lines": 1}, dead["id"])
        assert (await asked(client, "show_delivery", id=dead["id"]))["event_ref"] == event["ref"]
        assert {one["name"] for one in (await asked(client, "sinks"))["items"]} == {"lines", "screen"}
        assert [one["name"] for one in (await asked(client, "sources"))["items"]] == ["live"]
        (callback,) = (await asked(client, "refused_callbacks", source="live"))["items"]
        assert (await asked(client, "show_refused", id=callback["id"]))["meaning"].startswith("The signature fits none")
        routed = await asked(
            client,
            "try_routes",
            event={"type": "recording.failed", "stream": "x"},
            config="routes: [{name: new, match: {stream: x}, to: [screen]}]",
        )
        assert (routed["sinks"], routed["now"]) == (["screen"], [])
    assert audit(stocked) == []


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("show_event", {"ref": "ffffffff"}, "not_found"),
        ("show_event", {}, "unknown_value"),
        ("show_event", {"ref": "x" * 600}, "unknown_value"),
        ("show_event", {"ref": "ffffffff", "raw": True}, "unknown_filter"),
        ("find_events", {"type": "recording.faild"}, "unknown_value"),
        ("find_events", {"limit": 51}, "unknown_value"),
        ("find_events", {"cursor": "AAAA"}, "invalid_cursor"),
        ("find_events", {"since": "soon"}, "unknown_value"),
        ("show_delivery", {"id": 4711}, "not_found"),
        ("try_routes", {"event": {"type": "x" * 140_000}}, "body_too_large"),
        (
            "try_routes",
            {"event": {"type": "recording.failed", "stream": "x"}, "config": "routes: [{"},
            "invalid_config",
        ),
        ("erase", {"refs": ["a"]}, "not_found"),
    ],
)
async def test_what_cannot_be_answered_is_said_with_a_code(
    stocked: Path, tool: str, arguments: Mapping[str, Any], code: str
) -> None:
    async with talking(stocked) as client:
        assert (await refused(client, tool, **arguments))["code"] == code


# -- the ways to it


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_filled(tmp_path_factory.mktemp("mcp")) as served:
        yield served


async def test_elsewhere_it_asks_the_api_and_sees_no_more_than_beside_the_store(
    served: Served, configured: Path
) -> None:
    remote = Remote(f"http://127.0.0.1:{served.addresses.private.port}", OPERATE)
    async with talking(configured, operate=True, service=RemoteService(remote, masked=True)) as client:
        event = (await asked(client, "find_events", limit=1))["items"][0]
        assert (await asked(client, "show_event", ref=event["ref"]))["item"] == event
        with RemoteService(remote, masked=True) as service:
            assert service.event(event["ref"]).raw.masked
        change = {"act": "pause_sink", "target": "file"}
        preview = await asked(client, "preview_change", **change)
        await asked(client, "make_change", **change, confirmation=preview["confirmation"])
        change["act"] = "resume_sink"
        preview = await asked(client, "preview_change", **change)
        await asked(client, "make_change", **change, confirmation=preview["confirmation"])
    rows = ask(served, "/audit").json()["items"]
    assert [(row["who"], row["act"]) for row in rows] == [("ops", "sinks resume"), ("ops", "sinks pause")]


async def test_elsewhere_each_question_has_the_answer_that_the_store_gives(served: Served) -> None:
    folder: Path = served.folder  # type: ignore[attr-defined]
    remote = Remote(f"http://127.0.0.1:{served.addresses.private.port}", OPERATE)
    async with talking(folder) as here, talking(folder, service=RemoteService(remote, masked=True)) as there:

        async def both(tool: str, **arguments: Any) -> Any:
            beside = await asked(here, tool, **arguments)
            assert await asked(there, tool, **arguments) == beside, tool
            return beside

        event = (await both("find_events", type="recording.file.*", state="delivered"))["items"][-1]
        (delivery,) = (await both("why_not_delivered", ref=event["ref"]))["deliveries"]
        assert (await both("show_delivery", id=delivery["id"]))["sink"] == "file"
        (callback,) = (await both("refused_callbacks", source="live"))["items"]
        assert (await both("show_refused", id=callback["id"]))["meaning"].startswith("There is no signature")
        assert (await both("dead_letters"))["items"] == []
        assert (await both("find_events", held=True))["items"] == []
        assert {one["name"] for one in (await both("sinks"))["items"]} == {"file", "gone"}
        assert [one["name"] for one in (await both("sources"))["items"]] == ["live"]
        assert (await both("try_routes", event={"type": "recording.failed", "stream": "x"}))["sinks"] == ["file"]
        assert "delivered" in str(await asked(there, "status"))


async def test_elsewhere_each_change_is_made_there(served: Served, configured: Path) -> None:
    remote = Remote(f"http://127.0.0.1:{served.addresses.private.port}", OPERATE)
    assert post(served, "/sinks/gone/pause").status == 200
    async with talking(configured, operate=True, service=RemoteService(remote, masked=True)) as client:

        async def change(act: str, target: str, **more: str) -> Any:
            shown = await asked(client, "preview_change", act=act, target=target, **more)
            return await asked(
                client, "make_change", act=act, target=target, **more, confirmation=shown["confirmation"]
            )

        event = (await asked(client, "find_events", type="recording.file.*"))["items"][0]
        await change("replay_event", event["ref"], to="gone")
        (there,) = ask(served, "/deliveries?sink=gone").json()["items"]
        for act, state in (("cancel_delivery", "dead"), ("retry_delivery", "waiting"), ("cancel_delivery", "dead")):
            assert (await change(act, str(there["id"])))["done"]
            assert ask(served, f"/deliveries/{there['id']}").json()["state"] == state
    assert post(served, "/sinks/gone/resume").status == 200


async def test_a_gateway_of_another_version_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Remote, "get", lambda self, path, **query: {"items": [{"of": "another time"}]})
    with pytest.raises(GatewayError, match="use the same version as there"):
        RemoteService(Remote("http://127.0.0.1:9", OPERATE)).sinks()


@pytest.mark.plain_rows
async def test_over_standard_input_and_output_as_an_assistant_starts_it(stocked: Path) -> None:
    from mcp import Client, StdioServerParameters, stdio_client

    environ = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")} | {"PYTHONPATH": ROOT}
    server = StdioServerParameters(command=sys.executable, args=["-m", "gateway", "mcp"], cwd=str(stocked), env=environ)
    async with Client(stdio_client(server)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == READING
        assert {one["name"] for one in (await asked(client, "sinks"))["items"]} == {"lines", "screen"}
        assert (await refused(client, "show_event", ref="ffffffff"))["code"] == "not_found"


def test_a_mistake_in_the_configuration_is_said_to_a_person_before_anything_else(cli: Cli, configured: Path) -> None:
    (configured / "gateway.yaml").write_text("version: 7\n")
    said = cli("mcp", code=1)
    assert said.stdout == ""
    assert "version" in said.stderr
    assert KEY not in said.output


@pytest.mark.parametrize("way", ["here", "there"])
def test_ctrl_c_ends_it_as_such(
    served: Served, cli: Cli, configured: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    async def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.assistant.assistant_server.serve_stdio", interrupted)
    port, token = served.addresses.private.port, served.folder / "token"  # type: ignore[attr-defined]
    there = ["--url", f"http://127.0.0.1:{port}", "--token-file", str(token)]
    assert cli("mcp", *(there if way == "there" else ()), code=130).output == ""


def test_without_its_extra_it_says_what_to_install(cli: Cli, configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.extras.importlib.util.find_spec", lambda name: None)
    said = cli("mcp", code=1)
    assert "pip install '.[mcp]'" in said.stderr
    assert said.stdout == ""
