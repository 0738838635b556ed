"""A certificate that was exchanged under its old name is taken by the next reload, which the file's change begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gateway.config.load import load
from gateway.testing.server import Reply, ScriptedServer
from tests.egress.test_client_tls import server_context
from tests.egress.test_renewed_files import of_this_day
from tests.patience import until
from tests.running import Player
from tests.web.admin_api import CONFIG, ask, post, run_in, serve
from tests.web.doors import Served

OVER_TLS = CONFIG.replace(
    'gone: {type: forward, url: "http://127.0.0.1:9/x"}',
    "gone: {type: forward, url: 'https://127.0.0.1:PORT/', ca: ca.pem, certificate: client.pem, "
    "delivery: {retry: {initial: 50ms, max: 200ms}}}",
).replace("{name: all, to: [file]}", "{name: all, to: [file, gone]}")


def test_a_renewed_authority_is_trusted_after_a_reload_and_what_waited_for_it_is_delivered(tmp_path: Path) -> None:
    player = Player()
    ca, certificate = of_this_day(tmp_path, "monday")
    context = server_context(certificate, trusts=ca)
    target = ScriptedServer(otherwise=Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), tls=context)
    path = tmp_path / "gateway.yaml"
    with serve(tmp_path, config=OVER_TLS.replace("PORT", "9")) as served:
        run_in(served, target.__aenter__())
        path.write_text(path.read_text().replace(":9/", f":{target.port}/"))
        assert post(served, "/reload").json()["sinks"]["changed"] == ["gone"]
        assert served.post(player.body()).status == 200
        until(lambda: len(target.received) == 1)

        ca, certificate = of_this_day(tmp_path / "tuesday", "tuesday")
        context.load_cert_chain(certificate)
        context.load_verify_locations(ca)
        assert post(served, "/reload").json()["sinks"]["changed"] == []  # nothing of ours is another one
        assert served.post(player.body()).status == 200
        until(lambda: any(one["attempts"] for one in waiting(served)))

        for name in ("ca.pem", "client.pem"):
            (tmp_path / name).write_bytes((tmp_path / "tuesday" / name).read_bytes())
        assert post(served, "/reload").json()["sinks"]["changed"] == ["gone"]
        until(lambda: len(target.received) == 2)
        until(lambda: not waiting(served))
        run_in(served, target.__aexit__(None, None, None))
        served.ask()
        served.result()


def test_a_certificate_without_its_key_yet_is_refused_and_both_are_taken(tmp_path: Path) -> None:
    def parts(day: str) -> tuple[bytes, bytes]:
        key, mark, certificate = (tmp_path / day / "client.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")
        return key, mark + certificate

    for day in ("monday", "tuesday"):
        of_this_day(tmp_path / day, day)
    shown, key = tmp_path / "shown.pem", tmp_path / "key.pem"
    for file, part in zip((key, shown), parts("monday"), strict=True):
        file.write_bytes(part)
    config = OVER_TLS.replace("PORT", "9").replace(
        "ca: ca.pem, certificate: client.pem", "certificate: shown.pem, key: key.pem"
    )
    with serve(tmp_path, config=config) as served:
        renewed_key, renewed = parts("tuesday")
        shown.write_bytes(renewed)
        refused = post(served, "/reload")
        assert (refused.status, refused.json()["code"]) == (409, "sink_not_opened")
        assert "the sink gone cannot be opened: the TLS files" in refused.json()["detail"]
        key.write_bytes(renewed_key)
        assert post(served, "/reload").json()["sinks"]["changed"] == ["gone"]
        served.ask()
        served.result()


def test_a_pipe_in_the_place_of_a_certificate_is_refused_and_the_running_one_goes_on(tmp_path: Path) -> None:
    of_this_day(tmp_path, "monday")
    with serve(tmp_path, config=OVER_TLS.replace("PORT", "9")) as served:
        (tmp_path / "ca.pem").unlink()
        os.mkfifo(tmp_path / "ca.pem")
        refused = post(served, "/reload")
        assert (refused.status, refused.json()["code"]) == (422, "configuration_invalid")
        [problem] = refused.json()["problems"]
        assert (problem["path"], problem["found"]) == ("sinks.gone.ca", "'ca.pem'")
        assert problem["expected"].endswith("ca.pem is a named pipe; write its content into a file")
        (tmp_path / "ca.pem").unlink()
        of_this_day(tmp_path, "tuesday")
        assert post(served, "/reload").json()["sinks"]["changed"] == ["gone"]
        served.ask()
        served.result()


def waiting(served: Served) -> list[dict[str, Any]]:
    return list(ask(served, "/deliveries?sink=gone&state=waiting").json()["items"])


def test_files_that_options_name_are_watched(tmp_path: Path) -> None:
    of_this_day(tmp_path, "monday")
    path = tmp_path / "gateway.yaml"
    path.write_text(OVER_TLS.replace("PORT", "9").replace("STORE", "sqlite:///gateway.db"))
    path.chmod(0o600)
    assert list(load(path, environ={}).watched_files) == [path, tmp_path / "ca.pem", tmp_path / "client.pem"]
