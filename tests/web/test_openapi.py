"""The OpenAPI document: made of what serves, committed, and true of every answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck
from schemathesis.checks import not_a_server_error
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.web.api import openapi
from gateway.web.api.endpoints import ENDPOINTS
from gateway.web.api.routes import PREFIX
from tests.examples import examples
from tests.web.admin_api import OPERATE, ask, fill, serve
from tests.web.doors import Served

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs/openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = {"stream"}  # tried elsewhere

schema = schemathesis.openapi.from_dict(openapi.document(tuple(ENDPOINTS), PREFIX))
TRIED = {one.ok().label: one.ok() for one in schema.exclude(operation_id=sorted(ENDLESS)).get_all_operations()}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("openapi")) as served:
        fill(served)
        yield served
        served.ask()
        served.result()


def test_the_committed_document_is_what_is_served(served: Served) -> None:
    made = openapi.text(ENDPOINTS, PREFIX)
    assert DOCUMENT.read_text() == made, "write it anew: gateway schema --openapi > docs/openapi.json"
    assert ask(served, "/openapi.json").json() == json.loads(made)
    assert json.loads(made)["openapi"] == "3.1.0"


@pytest.mark.wide
@pytest.mark.parametrize("label", TRIED)
def test_no_request_is_our_error_and_every_answer_is_as_documented(label: str, served: Served) -> None:
    address = f"http://127.0.0.1:{served.addresses.private.port}"
    session = requests.Session()  # one connection for all: making two thousand is half the work
    session.trust_env = False

    @examples(3, HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much)
    def asked(case: Any) -> None:
        case.call_and_validate(
            base_url=address,
            headers={"Authorization": f"Bearer {OPERATE}"},
            checks=CHECKS,
            timeout=20,
            session=session,
        )

    # Built here and not by `schema.parametrize()`, because that builds every case of every operation when it is collected.
    made = build_operation_test(
        config=schema.config, operation=TRIED[label], test_func=asked, given_kwargs={}, feedback=NO_FEEDBACK
    )
    with session:
        made()
