"""The tutorial does what it says: its files, its configurations and its commands, one after the other."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.load import load
from gateway.config.route_tests import run_tests
from gateway.testing import Reply, ScriptedServer, running
from tests.patience import PATIENCE_S, until
from tests.ports import free_port
from tests.running import Running

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "keep-every-recording.md").read_text()
SHELL = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
CONFIG, BUCKET = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
INSTALL, FILES, CHECK, VENDOR, CHAT, SERVE, SEND, LOOK, START = SHELL
MEDIA_BYTES = 5_000_000


@contextmanager
def started(command: str, folder: Path, log: str) -> Iterator[None]:
    """What runs in a terminal of its own."""
    with (folder / log).open("wb") as output:
        process = subprocess.Popen(shlex.split(command), cwd=folder, stdout=output, stderr=output)
        try:
            yield
        finally:
            process.kill()
            process.wait(PATIENCE_S)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_page_from_its_beginning_to_what_does_not_come(tmp_path: Path) -> None:
    ports = {"9001": str(free_port()), "9002": str(free_port())}

    def here(text: str) -> str:
        text = re.sub("|".join(ports), lambda port: ports[port[0]], text)
        return text.replace("python3 ", f"{sys.executable} ")

    subprocess.run(["sh", "-e", "-c", here(FILES)], cwd=tmp_path, check=True, timeout=PATIENCE_S)
    gateway = Running(tmp_path, here(CONFIG).replace("version: 1\n", ""))
    said = {line: gateway.cli(*shlex.split(line)[1:]) for line in CHECK.splitlines() if line.startswith("gateway ")}
    assert "well." in said["gateway check"]
    assert SERVE.strip() == "gateway serve"
    with ExitStack() as terminals:
        terminals.enter_context(started(here(VENDOR), tmp_path, "vendor.log"))
        terminals.enter_context(started(here(CHAT), tmp_path, "chat.log"))
        terminals.enter_context(gateway)
        until(lambda: all(listening(int(port)) for port in ports.values()))
        assert "200 accepted" in gateway.cli(*shlex.split(here(SEND))[1:])
        until(lambda: "Recording archived" in (tmp_path / "chat.log").read_text())
        until(lambda: json.loads((tmp_path / "feed/feed.json").read_bytes())["items"])
        find, cat, *rest = LOOK.splitlines()
        [copy] = subprocess.run(
            ["sh", "-c", find], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.split()
        assert (tmp_path / copy).read_bytes() == (tmp_path / "vendor/talk.mp4").read_bytes()
        feed = json.loads(subprocess.run(shlex.split(cat), cwd=tmp_path, check=True, capture_output=True).stdout)
        [item] = feed["items"]
        assert item["url"] == "https://media.example.com/files/" + copy.removeprefix("kept/")
        assert item["attachments"][0]["size_in_bytes"] == MEDIA_BYTES
        for line in rest:
            until(lambda line=line: "talk" in gateway.cli(*shlex.split(line)[1:]))  # type: ignore[misc]  # joined within a second
        [ref] = re.findall(
            r"gateway recordings show (\d+)", gateway.cli("events", "show", item["id"].removeprefix("live/"))
        )
        assert "talk" in gateway.cli("recordings", "show", ref)
        gateway.cli(*shlex.split(here(START))[1:])
        until(lambda: "Recording overdue" in (tmp_path / "chat.log").read_text())
        assert "forgotten" in gateway.cli("recordings", "list", "--missing")
        gateway.cli("events", "erase", item["id"].removeprefix("live/"), "--yes")
        until(lambda: json.loads((tmp_path / "feed/feed.json").read_bytes())["items"] == [])
        assert (tmp_path / copy).exists(), "a file of theirs"


@pytest.mark.wide
async def test_the_same_into_an_object_store(tmp_path: Path) -> None:
    moto_server = pytest.importorskip("moto.server")
    import boto3

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"ACCESS_KEY": "AKIDEXAMPLE0", "SECRET_KEY": "a-secret-of-a-store-for-tests-00"}
        client = boto3.client(
            "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
            aws_access_key_id=keys["ACCESS_KEY"], aws_secret_access_key=keys["SECRET_KEY"],
        )  # fmt: skip
        client.create_bucket(Bucket="recordings")
        async with (
            ScriptedServer(otherwise=Reply(body=b"\x00" * MEDIA_BYTES)) as vendor,
            ScriptedServer(otherwise=Reply(body=b"ok")) as chat,
        ):
            merged = joined(tmp_path, chat.url, f"http://{host}:{port}")
            async with running(merged, environ=keys) as gateway:
                await gateway.send(
                    "RECORD_FILE_COMPLETE",
                    fields={
                        "download_url": f"{vendor.url}/talk.mp4",
                        "play_url": "",
                        "file_size": MEDIA_BYTES,
                        "record_format": "MP4",
                    },
                )
        [thing] = client.list_objects_v2(Bucket="recordings")["Contents"]
        assert thing["Size"] == MEDIA_BYTES
        [item] = json.loads((tmp_path / "feed.json").read_bytes())["items"]
        assert item["url"] == "https://media.example.com/files/" + thing["Key"]
        assert len(chat.received) == 1
    finally:
        server.stop()


def joined(folder: Path, chat: str, store: str) -> str:
    """Both configurations of the page as one."""
    whole: dict[str, Any] = yaml.safe_load(CONFIG.replace("http://127.0.0.1:9002", chat))
    keep: Mapping[str, Any] = yaml.safe_load(BUCKET.replace("http://127.0.0.1:9003", store))["sinks"]["keep"]
    whole["sinks"]["keep"] = {**keep, "spool": {"folder": str(folder / "spool")}}
    whole["sinks"]["podcast"] |= {
        "to": str(folder), "public": [{"below": f"{store}/recordings", "at": "https://media.example.com/files/"}],
    }  # fmt: skip
    return str(yaml.safe_dump(whole))


def test_its_configurations_load_its_routes_are_tested_and_its_extras_are_there(tmp_path: Path) -> None:
    for number, text in enumerate((CONFIG, f"version: 1\n{BUCKET}")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        path.chmod(0o600)
        loaded = load(path, environ={"ACCESS_KEY": "AKIDEXAMPLE0", "SECRET_KEY": "a-secret-of-a-store-for-tests-00"})
        assert run_tests(loaded) == []
    extras = re.findall(r"\[([a-z,]+)\]", INSTALL)[0].split(",")
    declared = (ROOT / "pyproject.toml").read_text()
    assert [extra for extra in extras if f"\n{extra} = [" not in declared] == []
