"""The OpenAPI document: made of what serves, committed, and true of every answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck

from gateway.web.api import openapi
from gateway.web.api.endpoints import ENDPOINTS
from gateway.web.api.routes import PREFIX
from tests.examples import examples
from tests.web.admin_api import OPERATE, ask, fill, serve
from tests.web.doors import Served

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs/openapi.json"
ENDLESS = {"stream"}  # tried elsewhere
TRIED = [f"{one.method.upper()} {PREFIX}{one.path}" for one in ENDPOINTS if one.name not in ENDLESS]


@pytest.fixture(scope="module")
def schema() -> Any:
    """Read when a test asks: else every worker would spend a second on it while it collects."""
    import schemathesis

    return schemathesis.openapi.from_dict(openapi.document(tuple(ENDPOINTS), PREFIX))


@pytest.fixture(scope="module")
def operations(schema: Any) -> dict[str, Any]:
    found = {one.ok().label: one.ok() for one in schema.exclude(operation_id=sorted(ENDLESS)).get_all_operations()}
    assert sorted(found) == sorted(TRIED)
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("openapi")) as served:
        fill(served)
        yield served
        served.ask()
        served.result()


def test_the_committed_document_is_what_is_served(served: Served) -> None:
    made = openapi.document_text(ENDPOINTS, PREFIX)
    assert DOCUMENT.read_text() == made, "write it anew: gateway schema --openapi > docs/openapi.json"
    assert ask(served, "/openapi.json").json() == json.loads(made)
    assert json.loads(made)["openapi"] == "3.1.0"


@pytest.mark.wide
@pytest.mark.parametrize("label", TRIED)
def test_no_request_is_our_error_and_every_answer_is_as_documented(
    label: str, served: Served, schema: Any, operations: dict[str, Any]
) -> None:
    import requests
    from schemathesis.checks import not_a_server_error
    from schemathesis.generation.feedback import NO_FEEDBACK
    from schemathesis.pytest._test_builder import build_operation_test
    from schemathesis.specs.openapi import checks

    conform = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    address = f"http://127.0.0.1:{served.addresses.private.port}"
    session = requests.Session()  # one connection for all: making two thousand is half the work
    session.trust_env = False

    @examples(3, HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much)
    def asked(case: Any) -> None:
        case.call_and_validate(
            base_url=address,
            headers={"Authorization": f"Bearer {OPERATE}"},
            checks=[not_a_server_error, *conform],
            timeout=20,
            session=session,
        )

    # Built here and not by `schema.parametrize()`, because that builds every case of every operation when it is collected.
    made = build_operation_test(
        config=schema.config, operation=operations[label], test_func=asked, given_kwargs={}, feedback=NO_FEEDBACK
    )
    with session:
        made()
