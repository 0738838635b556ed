"""The table of a directory: bounded, read as it stands, and what is wrong in it is said where it stands."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.owners import csv_rows
from gateway.owners.csv_rows import OWNER_CHARS_MAX, TABLE_BYTES_MAX, TableReader, folded
from tests.config.configs import Configs
from tests.config.directories import SECRET, RealConfigs, sink, table

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)


@pytest.fixture
def configs(tmp_path: Path) -> Configs:
    return RealConfigs(tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 0, 0, "an empty table"),
        ("owner,url\n", 0, 0, "without a row"),
        ("owner;url\nanna;https://a.example\n", 1, 1, "separate the columns by commas"),
        ("name,url\nanna,https://a.example\n", 1, 1, "no column `owner`"),
        ("owner,ulr\nanna,https://a.example\n", 1, 7, "did you mean url?"),
        ("owner,url,url\nanna,https://a.example,\n", 1, 11, "twice"),
        ("owner,url,\nanna,https://a.example,\n", 1, 11, "without a name"),
        ("owner,note\nanna,x\n", 1, 1, "no column with a target"),
        ("owner,url\nanna,https://a.example\n anna ,https://b.example\n", 3, 1, "it stands in line 2"),
        ("owner,url\ncafé,https://a.example\ncafe\u0301,https://b.example\n", 3, 1, "it stands in line 2"),
        ("owner,url\n,https://a.example\n", 2, 1, "without an owner"),
        ("owner,url,note\nanna,,x\n", 2, 1, "without a target"),
        ("owner,url\nanna,https://a.example,x\n", 2, 24, "3 cells"),
        ('owner,url\nanna,"https://a.example\n', 2, 1, "no cell spans several lines"),
        ('owner,url\n"anna"x,https://a.example\n', 2, 1, "quotes that do not fit"),
        ("owner,url\nanna,https://a.example/\0\n", 2, 6, "cannot be seen"),
        ("owner,url\nan\u200bna,https://a.example\n", 2, 1, "cannot be seen"),
        ("owner,url\nanna,ftp://a.example\n", 2, 6, "http"),
        ("owner,secret,url\nanna,short,https://a.example\n", 2, 6, "base64"),
        ("owner,url\nanna,${URL}\n", 2, 6, "filled in"),
        ("owner,url\nanna,https://a.example/{{ event.data.stream }}\n", 2, 6, "filled in"),
        (f"owner,url\n{'x' * (OWNER_CHARS_MAX + 1)},https://a.example\n", 2, 1, "longer owner"),
        (f"owner,url\nanna,https://a.example/{'x' * 5000}\n", 2, 6, "longer text for `url`"),
        (f"owner,url\nanna,https://a.example/{'x' * 70_000}\n", 2, 1, "longer line"),
        ("owner,url\n=cmd|' /C calc'!A0,=1+1\n", 2, 20, "http"),
        (b"owner,url\nanna,https://a.example/\xff\n", 2, 0, "UTF-8"),
        ("owner,url\nanna,https://a.example\n".encode("utf-16"), 1, 0, "UTF-8"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_where_it_stands(
    configs: Configs, text: str | bytes, line: int, column: int, said: str
) -> None:
    table(configs, text)
    problems = configs.problems(sink())
    assert [(one.file, one.line, one.column) for one in problems] == [
        (str(configs.folder / "owners.csv"), line, column)
    ]
    assert said in str(problems[0])


def test_all_mistakes_are_said_at_once_and_no_more_than_some(configs: Configs) -> None:
    table(configs, "owner,url\n" + "".join(f"o{n},nonsense\n" for n in range(100)))
    problems = configs.problems(sink())
    assert [one.line for one in problems if one.file.endswith(".csv")] == list(range(2, 23))
    assert any("more rows" in one.found for one in problems)  # and not each of fifty thousand


def test_of_mistakes_in_the_table_itself_the_rest_is_counted(configs: Configs) -> None:
    table(configs, "owner,url\n" + ",https://a.example\n" * 100)
    problems = configs.problems(sink())
    assert len(problems) == csv_rows.PROBLEMS_MAX + 1
    (rest,) = [one for one in problems if one.file.endswith(".yaml")]
    assert rest.path == "sinks.people.directory.file"
    assert rest.found.startswith(f"{100 - csv_rows.PROBLEMS_MAX} more problems in ")


def test_a_large_table_is_bounded_and_a_row_is_kept_as_a_few_texts(
    configs: Configs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert csv_rows.ROWS_MAX == 50_000
    monkeypatch.setattr(csv_rows, "ROWS_MAX", 100)
    reader = TableReader(["url"])
    reader.parse(b"owner,url\n" + b"".join(b"o%d,x\n" % n for n in range(1000)))
    assert len(reader.rows) == 100
    assert [(one.line, one.mistake) for one in reader.problems] == [(102, "more than 100 rows")]
    reader = TableReader(["url"])
    reader.parse(b"x" * (TABLE_BYTES_MAX + 1))
    assert [one.mistake for one in reader.problems] == [f"a table of over {TABLE_BYTES_MAX} bytes"]
    table(configs, "owner,url,secret\n" + "".join(f"o{n},https://h{n}.example/x,{SECRET}\n" for n in range(50)))
    settings = configs.load(sink()).settings.sinks["people"]
    assert settings.directory is not None
    assert settings.directory.table is not None
    rows = settings.directory.table.rows
    assert {type(text) for row in rows.values() for text in row} == {str}
    assert sum(sys.getsizeof(row) + sum(map(sys.getsizeof, row)) for row in rows.values()) / len(rows) < 400


@given(st.lists(st.tuples(CELLS, CELLS), max_size=6), st.booleans())
def test_what_is_written_as_csv_is_read_as_it_was(rows: list[tuple[str, str]], always: bool) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL, lineterminator="\n").writerows(rows)
    reader = TableReader(["url"])
    reader.parse(b"owner,url\n" + out.getvalue().encode())
    found = {row.owner.text: row.cells["url"].text for row in reader.rows}
    for owner, url in rows:
        if not reader.problems and owner.strip() and not out.getvalue().startswith("#"):
            if f"\n{owner}".startswith("\n#"):
                continue  # a comment, unless it is quoted
            assert found[folded(owner)] == url.strip()


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    for head in (b"", b"owner,url\n"):
        reader = TableReader(["url"])
        reader.parse(head + content)
        assert all(one.mistake and one.mistake.isprintable() for one in reader.problems)
        assert len(reader.problems) <= 21
