"""The sink `pull` is a place to fetch from: nothing of it calls anybody, and the configuration says who may fetch."""

from __future__ import annotations

import pytest

from gateway import Refused, to_json
from gateway.testing import delivery, events
from plugins.sinks.pull import Pull, PullOptions
from tests.config.configs import Configs

TOKEN = "p" * 40


@pytest.fixture
def configs(tmp_path_factory: pytest.TempPathFactory) -> Configs:
    return Configs(tmp_path_factory.mktemp("pull"))


async def test_it_opens_closes_shows_every_event_and_calls_nobody() -> None:
    sink = Pull("q", PullOptions(), http=None, log=None)  # type: ignore[arg-type]
    await sink.open()
    for one in events():
        assert await sink.preview(delivery(one)) == to_json(one)
        with pytest.raises(Refused, match="consumers fetch from this sink"):
            await sink.deliver(delivery(one))
    assert await sink.connect() == "waits for a consumer"
    await sink.close()
    assert Pull.pulled
    assert not Pull.takes_batches()


def written(tokens: str, delivery: str = "") -> str:
    more = f", delivery: {{{delivery}}}" if delivery else ""
    return f"""
        admin: {{tokens: [{tokens}]}}
        sinks: {{jobs: {{type: pull{more}}}, lines: {{type: console}}}}
        routes: [{{name: all, to: [jobs, lines]}}]
    """


def token(sinks: str, role: str = "pull") -> str:
    return f"{{name: worker, token: {TOKEN}, role: {role}{f', sinks: {sinks}' if sinks else ''}}}"


@pytest.mark.parametrize(
    ("tokens", "delivery", "path", "said"),
    [
        (token("[job]"), "", "admin.tokens.0.sinks.0", "did you mean jobs?"),
        (token("[jobs, lines]"), "", "admin.tokens.0.sinks.1", "these are: jobs"),
        (token(""), "", "admin.tokens.0", "`sinks` beside the role `pull`"),
        (token("[]"), "", "admin.tokens.0", "`sinks` beside the role `pull`"),
        (token("[jobs]", "read"), "", "admin.tokens.0", "only beside the role `pull`"),
        (token("[jobs]"), "batch: {max: 5}", "sinks.jobs.delivery.batch", "leave `batch` out here"),
    ],
)
def test_who_fetches_from_what_must_fit(configs: Configs, tokens: str, delivery: str, path: str, said: str) -> None:
    problem = configs.problem(written(tokens, delivery), real=True)
    assert problem.path.startswith(path), str(problem)
    assert said in str(problem)


def test_a_sink_that_nobody_can_fetch_from_is_warned_of(configs: Configs) -> None:
    def warned(tokens: str) -> list[str]:
        warnings = configs.load(written(tokens), real=True).warnings
        return [f"{one.path} {one.found}" for one in warnings if "fetch" in one.found]

    assert warned("") == ["sinks.jobs nobody can fetch from the sink 'jobs': no token of `admin.tokens` lists it"]
    assert warned(token("[jobs]")) == []
    assert configs.load(written(token("[jobs]")), real=True).settings.sinks["jobs"].pulled
