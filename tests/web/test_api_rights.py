"""Who may do what: every operation by every role, walked by a table; nothing of it on the public listener."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.web.api.endpoint import Endpoint
from gateway.web.api.endpoints import ENDPOINTS
from tests.web.admin_api import OPERATE, READ, ask, fill, serve
from tests.web.doors import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("rights")) as served:
        fill(served, 1)
        yield served
        served.ask()
        served.result()


def path_of(endpoint: Endpoint) -> str:
    return (
        endpoint.path.replace("{number}", "999")
        .replace("{ref}", "nothing-of-this-name")
        .replace("{name}", "no-such")
        .replace("{sink}", "no-such")
    )


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_an_operation_is_for_its_role_and_no_other(served: Served, endpoint: Endpoint) -> None:
    path, method = path_of(endpoint), endpoint.method
    assert ask(served, path, None, method).status == 401
    assert ask(served, path, "x" * 40, method).status in (401, 429)
    if endpoint.role == "pull":  # tests/web/test_api_pull_rights.py
        assert {ask(served, path, token, method).status for token in (READ, OPERATE)} == {403}
        return
    if endpoint.role == "operate":
        refused = ask(served, path, READ, method)
        assert (refused.status, refused.json()["code"]) == (403, "forbidden")
    elif endpoint.name != "stream":
        assert ask(served, path, READ, method).status not in (401, 403)
    if endpoint.name not in {"reload", "stream"}:
        assert ask(served, path, OPERATE, method).status not in (401, 403, 500)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_nothing_of_it_is_on_the_public_listener(served: Served, endpoint: Endpoint) -> None:
    head = f"{endpoint.method} /api/v1{path_of(endpoint)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPERATE}\r\nContent-Length: 0\r\n\r\n"
    with served.public() as client:
        assert client.send(head.encode()).reply().status == 404


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_change_needs_the_right_to_operate_or_changes_nothing(endpoint: Endpoint) -> None:
    assert (
        endpoint.method == "GET"
        or endpoint.role in ("operate", "pull")
        or endpoint.name in {"route", "preview_of", "names"}
    )


def test_a_token_in_the_url_another_method_and_a_foreign_host_are_refused(served: Served) -> None:
    assert ask(served, f"/events?token={OPERATE}").json()["code"] == "token_in_query"
    wrong = ask(served, "/events", READ, "DELETE")
    assert (wrong.status, wrong.header("allow")) == (405, "GET, HEAD")
    with served.private() as client:
        head = f"GET /api/v1/events HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {READ}\r\n\r\n"
        assert client.send(head.encode()).reply().status == 421


def test_no_answer_may_be_cached_and_none_is_guessed_to_be_something_else(served: Served) -> None:
    for path in ("/events", "/overview", "/events/nothing", "/openapi.json"):
        reply = ask(served, path)
        assert reply.header("cache-control") == "no-store"
        assert reply.header("x-content-type-options") == "nosniff"
