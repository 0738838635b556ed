"""docs/plugins.md: its code runs, and its reference is what there is."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import gateway
import gateway.testing
from gateway import Refused, Retry, Sink, Trust, Unavailable
from gateway.config.load import load
from gateway.plugin.registry import Registry
from gateway.testing import HttpSinkPromises, Received, Reply, ScriptedServer, delivery, event, opened, running
from tests.cli.conftest import run
from tests.testing.page import FILES, TEXT, module, written

# -- the tutorial


def test_the_tutorial_works_word_for_word(tmp_path: Path) -> None:
    written(tmp_path, "lamp.py", "gateway.yaml", "test_lamp.py")
    assert run(["check"], cwd=tmp_path).returncode == 0
    preview = run(["sinks", "preview", "studio"], cwd=tmp_path).stdout
    assert preview.startswith("POST http://127.0.0.1:9000/flash")
    assert "demo-password" not in preview
    shown = run(["plugins", "show", "lamp"], cwd=tmp_path).stdout
    assert "Flashes the lamp in the studio." in shown
    assert "The colour it flashes in." in shown
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            "/dev/null",
            "--rootdir",
            ".",
            "-p",
            "no:cacheprovider",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # a reader has none of ours, which take 3 s to load
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])  # type: ignore[index]
    inherited = [name for name in dir(HttpSinkPromises) if name.startswith("test_")]
    assert passed == len(inherited) + 1


def test_the_commands_of_the_page_exist() -> None:
    import click

    from gateway.cli.root import commands

    for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            words = line.split()
            if words[0] == "gateway":
                name = words[1] if words[1] in commands() else " ".join(words[1:3])
                known = {
                    opt for option in commands()[name].params for opt in option.opts if isinstance(option, click.Option)
                }
                assert {word for word in words if word.startswith("--")} <= known, line


def test_the_options_of_the_page_are_read(tmp_path: Path) -> None:
    model = module(tmp_path, "options.py").EverythingOptions
    options = {
        "url": "https://example.com",
        "key": "k" * 32,
        "folder": "x",
        "every": "1h",
        "most": "1KiB",
        "pace": "5/s",
    }
    read = model.model_validate({**options, "streams": "vip-*"})
    assert (read.most, str(read.pace), read.streams) == (1024, "5/s", ("vip-*",))


def test_the_whole_gateway_of_the_page_runs(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(FILES["test_whole.py"], "test_whole.py", "exec"), namespace)
    namespace["test_it_waits_as_long_as_it_was_asked_to"]()


# -- the gallery


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("gallery"), "webdav.py", "copies.py", "tracing.py")


def _class(name: str, folder: Path) -> type[Sink]:
    return Registry([f"./{name}.py"], folder).sink(name)


class TestWebDav(HttpSinkPromises):
    @pytest.fixture(autouse=True)
    def _sink(self, gallery: Path) -> None:
        type(self).sink = _class("webdav", gallery)

    def options(self, url: str) -> Mapping[str, Any]:
        return {"url": f"{url}/archive/", "user": "ann", "password": "a-password-nobody-may-see"}

    def identity(self, request: Received) -> Any:
        return request.target

    statuses = {**HttpSinkPromises.statuses, 423: Retry, 409: Unavailable, 507: Unavailable}

    def test_it_puts_the_event_under_its_id(self) -> None:
        async def body() -> None:
            async with ScriptedServer(Reply(status=201)) as server, self.opened(server.url) as (sink, _):
                assert await sink.deliver(delivery()) == f"{event().id}.json"
                [request] = server.received
                assert (request.method, request.target) == ("PUT", f"/archive/{event().id}.json")
                assert json.loads(request.body)["id"] == event().id

        asyncio.run(body())


async def test_the_finished_file_is_copied_within_its_bound(gallery: Path, tmp_path: Path) -> None:
    async with ScriptedServer(otherwise=Reply(body=b"x" * 100)) as server:
        options: dict[str, Any] = {"folder": str(tmp_path), "max_bytes": 100, "private": ["127.0.0.0/8"]}
        made = event(trust=Trust.FIELDS)
        files = tuple(gateway.File(format=kind, download_url=f"{server.url}/{kind}?sig=1") for kind in ("mp4", "../x"))
        made = event(trust=Trust.FIELDS, files=files)
        cls = _class("copies", gallery)
        async with opened(cls, options) as sink:
            assert await sink.deliver(delivery(made)) == f"{made.id}-0.mp4, {made.id}-1.bin"
            assert (tmp_path / f"{made.id}-0.mp4").read_bytes() == b"x" * 100
            with pytest.raises(Refused, match="did not cover"):
                await sink.deliver(delivery(event(trust=Trust.TIMESTAMP, files=files)))
        async with opened(cls, {**options, "max_bytes": 99}) as sink:
            with pytest.raises(Refused, match="over 99 bytes"):
                await sink.deliver(delivery(made))
        seen = len(server.received)
        async with opened(cls, {**options, "private": []}) as sink:
            with pytest.raises(Refused):
                await sink.deliver(delivery(made))
        assert len(server.received) == seen
    assert len(list(tmp_path.iterdir())) == 2  # noqa: ASYNC240


PLAYLISTS: dict[str, tuple[str, str | None, Reply]] = {
    "by its name": ("/a/index.m3u8?sig=1", None, Reply(body=b"x")),
    "by its name in capitals": ("/a/INDEX.M3U8", "mp4", Reply(body=b"x")),
    "by a DASH name": ("/a/index.mpd", None, Reply(body=b"x")),
    "by its format": ("/a/file", "HLS", Reply(body=b"x")),
    "by its type": ("/a/file", "mp4", Reply(body=b"x", headers=[("Content-Type", "application/vnd.apple.mpegurl")])),
    "by another type": (
        "/a/file",
        None,
        Reply(body=b"x", headers=[("Content-Type", "audio/x-mpegURL; charset=utf-8")]),
    ),
    "by a DASH type": ("/a/file", None, Reply(body=b"x", headers=[("Content-Type", "application/dash+xml")])),
    "by what is in it": ("/a/file.mp4", "mp4", Reply(body=b"#EXTM3U\n#EXT-X-VERSION:3\n")),
    "behind a mark": ("/a/file.mp4", "mp4", Reply(body=b"\xef\xbb\xbf\r\n#EXTM3U\n")),
    "by XML": ("/a/file.mp4", "mp4", Reply(body=b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">')),
}


@pytest.mark.parametrize("name", PLAYLISTS)
async def test_a_playlist_is_not_copied_as_if_it_were_the_recording(name: str, gallery: Path, tmp_path: Path) -> None:
    path, kind, reply = PLAYLISTS[name]
    async with ScriptedServer(reply, otherwise=Reply(body=b"a recording")) as server:
        options: dict[str, Any] = {"folder": str(tmp_path), "private": ["127.0.0.0/8"]}
        list_ = gateway.File(format=kind, download_url=server.url + path)
        async with opened(_class("copies", gallery), options) as sink:
            with pytest.raises(Refused, match="a playlist, not the recording"):
                await sink.deliver(delivery(event(trust=Trust.FIELDS, files=(list_,))))
            assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240
            server.replies = [reply] if server.received else []
            both = event(
                trust=Trust.FIELDS, files=(list_, gateway.File(format="mp4", download_url=server.url + "/b.mp4"))
            )
            assert str(await sink.deliver(delivery(both))).endswith("-1.mp4; 1 playlists left out")
            assert [found.read_bytes() for found in tmp_path.iterdir()] == [b"a recording"]  # noqa: ASYNC240


def test_the_configuration_of_the_copies_loads(gallery: Path) -> None:
    [block] = re.findall(r"^```yaml\n(plugins: \[./copies.py\].*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    file = gallery / "copies.yaml"
    file.write_text(block)
    file.chmod(0o600)
    options: Any = load(file, environ={}).settings.sinks["copies"].options
    assert options.max_bytes == 64 * 2**20


async def test_every_delivery_leaves_a_line(gallery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {
        "plugins": ["./tracing.py"],
        "sources": {"live": {"type": "huawei-live", "keys": ["k" * 32]}},
        "sinks": {"app": {"type": "recorder"}, "batched": {"type": "recorder", "delivery": {"batch": {"max": 2}}}},
        "routes": [{"to": ["app", "batched"]}],
    }
    async with running(config, folder=gallery) as running_gateway:
        running_gateway.recorder("app").answers.append(Retry("later"))
        answers = [await running_gateway.send("RECORD_START") for _ in range(2)]
        await running_gateway.advance(60)
        ids = [answer.events[0] for answer in answers]
        assert len(running_gateway.delivered("app")) == len(running_gateway.delivered("batched")) == 2
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith('{"sink"')]
    app = [(line["events"], line["attempts"], line["outcome"]) for line in lines if line["sink"] == "app"]
    assert app == [([ids[0]], [1], ["Retry"]), ([ids[1]], [1], ["delivered"]), ([ids[0]], [2], ["delivered"])]
    assert [line["outcome"] for line in lines if line["sink"] == "batched"] == [["delivered"] * 2]
