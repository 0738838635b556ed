"""What a sink's type may bring for itself: the rate that fits its options, the zone and language of the file."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import Options, Sink
from gateway.fields import Language, Timezone
from tests.config.configs import Configs, FakeRegistry


class Postcards(Sink):
    """Goes as fast as its options allow."""

    type = "postcards"
    default_rate = "1/d"

    class Options(Options):
        express: bool = False
        broken: bool = False
        number: int = 1
        timezone: Timezone = "UTC"
        language: Language = "en"

    @classmethod
    def usual_rate(cls, options: Any) -> str | None:
        if options.broken:
            raise RuntimeError("secret")
        return "5/20s" if options.express else None


class PostRegistry(FakeRegistry):
    def sink(self, name: str) -> type[Sink]:
        return Postcards if name == "postcards" else super().sink(name)


def post(configs: Configs, options: str = "", rest: str = "") -> Any:
    text = f"sinks:\n  it: {{type: postcards{options}}}\n{rest}"
    return configs.load(text, real=True, registry=PostRegistry).settings.sinks["it"]


@pytest.mark.parametrize(
    ("options", "rest", "rate"),
    [
        (", express: true", "", "5/20s"),
        ("", "", "None"),
        (", express: true, delivery: {rate: 3/m}", "", "3/m"),
        (", express: true, delivery: {rate: null}", "", "None"),
        (", express: true", "delivery: {rate: 9/s}", "9/s"),
    ],
)
def test_the_usual_rate_fits_the_options_and_gives_way_to_a_named_one(
    configs: Configs, options: str, rest: str, rate: str
) -> None:
    assert str(post(configs, options, rest).delivery.rate) == rate


def test_a_usual_rate_that_fails_is_a_problem_with_a_place_and_without_the_text(configs: Configs) -> None:
    text = "sinks:\n  it: {type: postcards, broken: true}\n"
    problem = configs.problem(text, real=True, registry=PostRegistry)
    assert problem.path == "sinks.it"
    assert "no usual rate: RuntimeError at test_sink_defaults.py" in problem.found
    assert "secret" not in str(problem)


def test_options_that_cannot_be_read_are_not_asked_for_their_rate(configs: Configs) -> None:
    assert (
        configs.problem("sinks:\n  it: {type: postcards, number: x}\n", real=True, registry=PostRegistry).path
        == "sinks.it.number"
    )


def test_zone_and_language_come_from_locale_where_a_sink_has_them_and_names_none(configs: Configs) -> None:
    locale = "locale: {timezone: Asia/Shanghai, language: zh-CN}\n"
    taken = post(configs, "", locale).options
    assert (taken.timezone, taken.language) == ("Asia/Shanghai", "zh-CN")
    named = post(configs, ", timezone: Europe/Berlin, language: de", locale).options
    assert (named.timezone, named.language) == ("Europe/Berlin", "de")
    usual = post(configs).options
    assert (usual.timezone, usual.language) == ("UTC", "en")


def test_a_sink_without_them_is_not_given_any(configs: Configs) -> None:
    options: Any = configs.load("locale: {language: zh}\nsinks:\n  it: {type: open}\n").settings.sinks["it"].options
    assert options.model_extra == {}
