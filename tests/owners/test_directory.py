"""A sink's `directory`: a table whose rows are tried as if their cells stood in the configuration, and what is wrong with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import field_validator

from gateway import Options, Sink
from gateway.config.grammar.directory import DIRECTORY_CONCURRENCY
from gateway.owners.directory import NOBODY
from gateway.text.regular_file import HOW_TO_CLOSE
from tests.config.configs import Configs, FakeRegistry
from tests.config.directories import CANARY, KEYED, SECRET, RealConfigs, event, sink, table


@pytest.fixture
def configs(tmp_path: Path) -> Configs:
    return RealConfigs(tmp_path)


def test_a_row_is_the_target_of_its_owner(configs: Configs) -> None:
    table(
        configs,
        f"\ufeffowner, url ,secret,note\n# people\n\nanna,https://a.example/x,{SECRET},the first\n7,http://b.example/y,\r\n",
    )
    settings = configs.load(sink()).settings.sinks["people"]
    assert settings.directory is not None
    directory = settings.directory.table
    assert directory is not None
    assert list(directory.rows) == ["anna", "7"]
    anna: Any = directory.options("anna")
    seven: Any = directory.options("7")
    assert (anna.url, [one.reveal() for one in anna.sign.secrets]) == ("https://a.example/x", [SECRET])
    assert (seven.url, seven.sign) == ("http://b.example/y", None)
    assert directory.owned(event()).owner == "anna"
    assert directory.owned(event("bob")).missing == "'bob' is not in owners.csv"
    assert settings.delivery.concurrency == 32


@pytest.mark.parametrize(
    ("key", "stream", "owner"),
    [
        ("event.data.stream", " anna ", "anna"),
        ("event.data.stream", "cafe\u0301", "caf\u00e9"),
        ("size(event.data.stream)", "7654321", "7"),
        ("has(event.data.stream) ? event.data.stream.split('-')[0] : ''", "anna-1", None),
    ],
)
def test_a_key_is_a_text_or_a_whole_number(configs: Configs, key: str, stream: str, owner: str | None) -> None:
    table(configs, "owner,url\nanna,https://a.example\ncafé,https://c.example\n7,https://d.example\n")
    text = sink(directory=f'directory: {{file: owners.csv, key: "{key}"}}')
    if owner is None:
        assert configs.problem(text, judge=True).path == "sinks.people.directory.key"
        return
    read = configs.load(text).settings.sinks["people"].directory
    assert read is not None
    assert read.table is not None
    assert read.table.owned(event(stream)) == (owner, "")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("event.data.files", "the key is a list"),
        ("event.data.stream == 'x'", "the key is true or false"),
        ("event.data.steam", "steam"),
        ("event.data.stream +", "column"),
        ("1.5", "a number"),
        ("event", "a map"),
    ],
)
def test_a_key_that_is_none_is_refused_where_it_stands(configs: Configs, key: str, said: str) -> None:
    table(configs, "owner,url\nanna,https://a.example\n")
    problem = configs.problem(sink(directory=f'directory: {{file: owners.csv, key: "{key}"}}'), judge=True)
    assert problem.path == "sinks.people.directory.key"
    assert said in problem.message


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"stream": None}, "the key cannot be computed (no such field: stream)"),
        ({"stream": ""}, "the key is empty"),
        ({"stream": "x" * 5000}, f"{'x' * 100!r} is not in owners.csv"),
        ({"stream": "anna\0"}, "is not in owners.csv"),
    ],
)
def test_whom_nobody_owns_is_nobodys_or_goes_to_the_sinks_own_target(
    configs: Configs, more: dict[str, str | None], why: str
) -> None:
    table(configs, "owner,url\nanna,https://a.example\n")
    strict = configs.load(sink()).settings.sinks["people"].directory
    assert strict is not None
    assert strict.table is not None
    assert why in strict.table.owned(event(**more)).missing
    lenient = configs.load(
        sink(", url: 'https://all.example'", "directory: {file: owners.csv, key: event.data.stream, missing: fallback}")
    ).settings.sinks["people"]
    assert lenient.directory is not None
    assert lenient.directory.table is not None
    assert lenient.directory.table.owned(event(**more)) == (NOBODY, "")
    own: Any = lenient.directory.table.options(NOBODY)
    assert own == lenient.options
    assert own.url == "https://all.example"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (sink(directory="directory: {file: gone.csv, key: event.id}"), "cannot be read: No such file"),
        (sink(directory="directory: {file: ., key: event.id}"), "cannot be read: it is no regular file, but a folder"),
        (sink(directory="directory: {file: owners.csv}"), "a value for this key"),
        (sink(directory="directory: {file: owners.csv, key: ''}"), "a text of at least 1"),
        (sink(directory="directory: {file: owners.csv, key: event.id, column: x}"), "unknown key"),
        (sink(", delivery: {batch: {max: 3}}"), "`batch` for a sink with a directory"),
        (sink(", directory: {file: owners.csv, key: event.id, missing: fallback}", "method: POST"), "sinks.people.url"),
        ("sinks: {x: {type: console, directory: {file: owners.csv, key: event.id}}}", "whose target is not an owner's"),
        (sink(", verify: perhaps"), "sinks.people.verify"),
        (sink(", sing: x"), "unknown key"),
    ],
)
def test_what_is_wrong_beside_the_table_is_said_once(configs: Configs, text: str, said: str) -> None:
    table(configs, "owner,url\nanna,https://a.example\nbob,https://b.example\n")
    assert said in str(configs.problem(text))


def test_only_a_file_is_read_and_nothing_is_waited_for(configs: Configs) -> None:
    os.mkfifo(configs.folder / "owners.csv")
    assert "it is no regular file" in str(configs.problem(sink()))


@pytest.mark.parametrize(
    ("more", "directory"),
    [
        ("", "directory: {file: owners.csv, key: '${KEY:?}'}"),
        ("", "directory: {file: '${FILE:?}', key: event.id}"),
        (", method: '${METHOD:?}'", KEYED),
    ],
    ids=["key", "file", "an option"],
)
def test_where_a_value_stands_in_for_what_is_not_here_the_table_is_not_judged_by_it(
    configs: Configs, more: str, directory: str
) -> None:
    """A command that needs no secrets reads the configuration where they are not."""
    table(configs, "owner,url\nanna,https://a.example\nbob,https://b.example\n")
    text = sink(more, directory)
    assert configs.problem(text).found.endswith("unset or empty: it is needed")
    assert all(one.path == "sinks.people" for one in configs.load(text, placeholders=True).warnings)


class Odd(Sink):
    """A type whose author made mistakes."""

    type = "odd"
    owner_columns = {"url": "url"}

    class Options(Options):
        url: str = ""

        @field_validator("url")
        @classmethod
        def _crash(cls, url: str) -> str:
            if url == "crash":
                raise KeyError("canary of a row")
            return url


class Rated(Odd):
    default_rate = "often"


class Unfitting(Odd):
    owner_columns = {"url": "address.of"}


def odd_registry(cls: type[Sink]) -> Any:
    class Odds(FakeRegistry):
        def sink_types(self) -> list[str]:
            return ["odd"]

        def sink(self, name: str) -> type[Sink]:
            return cls

    return Odds


@pytest.mark.parametrize(
    ("cls", "url", "said"),
    [
        (Unfitting, "x", "names an option in `owner_columns` that it has not: address.of"),
        (Rated, "x", "the odd has no usual rate: "),
        (Odd, "crash", "its options cannot be validated: KeyError at test_directory.py"),
    ],
)
def test_a_mistake_of_the_types_author_is_told_with_its_place_and_without_a_value(
    configs: Configs, cls: type[Sink], url: str, said: str
) -> None:
    table(configs, f"owner,url\nanna,x\nbob,{url}\n")
    problem = configs.problem(sink().replace("forward", "odd"), registry=odd_registry(cls))
    assert said in problem.found
    assert "canary" not in str(problem)


def test_how_many_owners_are_served_at_once_is_as_written_or_as_usual(configs: Configs) -> None:
    table(configs, "owner,url\nanna,https://a.example\n")
    assert configs.load(sink()).settings.sinks["people"].delivery.concurrency == DIRECTORY_CONCURRENCY
    own = configs.load(sink(", delivery: {concurrency: 7}"))
    assert own.settings.sinks["people"].delivery.concurrency == 7


def test_no_secret_of_a_table_is_in_any_problem_warning_or_text(configs: Configs) -> None:
    table(
        configs, f"owner,url,secret\nanna,https://a.example/?token={CANARY},{CANARY}\nbob,nonsense {CANARY},{CANARY}x\n"
    )
    text = "\n".join(map(str, configs.problems(sink())))
    assert "owners.csv:3:5" in text
    table(configs, f"owner,url,secret\nanna,https://a.example/x,{CANARY}\nbob,https://b.example/y,{SECRET}\n")
    loaded = configs.load(sink())
    text += "\n".join(
        (repr(loaded), str(loaded.settings), loaded.settings.model_dump_json(), repr(loaded.settings.sinks))
    )
    directory = loaded.settings.sinks["people"].directory
    assert directory is not None
    text += repr(directory.table)
    assert CANARY.removeprefix("whsec_") not in text


def test_a_table_with_secrets_that_others_can_read_is_warned_of(configs: Configs) -> None:
    table(configs, f"owner,url,secret\nbob,https://b.example,\nanna,https://a.example,{SECRET}\n")
    assert [one for one in configs.load(sink()).warnings if "can be read by" in one.found] == []
    (configs.folder / "owners.csv").chmod(0o644)
    (warning,) = [one for one in configs.load(sink()).warnings if "can be read by" in one.found]
    assert (warning.file, warning.hint) == (str(configs.folder / "owners.csv"), HOW_TO_CLOSE)


def test_a_table_that_changed_makes_its_sink_another_which_goes_on_as_it_is(configs: Configs) -> None:
    table(configs, "owner,url\nanna,https://a.example\n")
    before, again = configs.load(sink()), configs.load(sink())
    table(configs, "owner,url\nanna,https://other.example\nbob,https://b.example\n")
    after, other = configs.load(sink()), configs.load(sink(", verify: false"))
    one, same, changed, more = (loaded.settings.sinks["people"] for loaded in (before, again, after, other))
    assert one == same != changed
    assert changed.carried_as(one)
    assert not more.carried_as(one)
    elsewhere = configs.load(sink(directory=KEYED.replace("stream", "app"))).settings.sinks["people"]
    assert elsewhere != changed
    assert not elsewhere.carried_as(changed)
    assert before.watched_files[1:] == [configs.folder / "owners.csv"]


def test_a_cell_holds_several_where_the_option_takes_several(configs: Configs) -> None:
    table(configs, 'owner,to,language\nanna,"Doe, Jane <j@a.example>" ; b@a.example;,zh-CN\n'.replace('" ;', '";'))
    assert "quotes" in str(configs.problem("sinks: {m: {type: email, host: h, from: g@h.example, " + KEYED + "}}"))
    table(configs, 'owner,to,language\nanna,"""Doe, Jane"" <j@a.example>; b@a.example;",zh-CN\n')
    settings = configs.load("sinks: {m: {type: email, host: h, from: g@h.example, " + KEYED + "}}").settings.sinks["m"]
    assert settings.directory is not None
    assert settings.directory.table is not None
    options: Any = settings.directory.table.options("anna")
    assert options.to == ('"Doe, Jane" <j@a.example>', "b@a.example")
    assert options.language == "zh-CN"


def test_the_types_own_rate_is_that_of_each_owner(configs: Configs) -> None:
    table(configs, "owner,url\nanna,https://open.feishu.cn/open-apis/bot/v2/hook/0123456789abcdef\n")
    settings = configs.load("sinks: {c: {type: chat, service: feishu, " + KEYED + "}}").settings.sinks["c"]
    assert settings.directory is not None
    assert (str(settings.directory.rate), settings.delivery.rate) != ("None", None)
    assert settings.delivery.rate is None
    off = KEYED.replace("}", ", rate: null}")
    other = configs.load("sinks: {c: {type: chat, service: feishu, " + off + "}}").settings.sinks["c"].directory
    assert other is not None
    assert other.rate is None


def test_a_link_that_is_swapped_is_another_table(configs: Configs) -> None:
    for name, host in (("one.csv", "a"), ("two.csv", "b")):
        table(configs, f"owner,url\nanna,https://{host}.example\n", name)
    link = configs.folder / "owners.csv"
    link.symlink_to("one.csv")
    before = configs.load(sink()).settings.sinks["people"]
    os.replace(_linked(configs, "two.csv"), link)
    after = configs.load(sink()).settings.sinks["people"]
    assert before != after
    assert stat.S_ISLNK(os.lstat(link).st_mode)


def _linked(configs: Configs, target: str) -> str:
    made = configs.folder / "new"
    made.symlink_to(target)
    return str(made)
