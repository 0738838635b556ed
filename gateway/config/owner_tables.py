"""Reads the table of a sink's `directory`: each row is tried as if its cells stood in the configuration file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ValidationError

from gateway.config.annotations import fields_by_key
from gateway.config.document.diagnostics import Diagnostic
from gateway.config.document.nodes import Items, Scalar, Table, YamlNode, scalars, stand_ins
from gateway.config.grammar.directory import DirectorySettings
from gateway.config.pydantic_errors import problems_of
from gateway.config.typed_reader import TypedReader
from gateway.config.validation import Validation, where_raised
from gateway.owners.csv_rows import PROBLEMS_MAX, TABLE_BYTES_MAX, Cell, Row, TableReader
from gateway.owners.directory import Directory
from gateway.owners.owner_key import OwnerKey
from gateway.plugin.own_code import own_code
from gateway.text.file_trouble import file_trouble
from gateway.text.regular_file import HOW_TO_CLOSE, exposed_to_others, open_regular
from gateway.where import WhereError
from gateway.where.sample_check import check_key

if TYPE_CHECKING:
    from gateway.plugin import Sink

_LIST: Final = "[]"  # behind the name of an option that takes several
_CELL_SEPARATOR: Final = ";"  # between several in one cell


class OwnerTable:
    """One sink's. `fill` notes what is wrong, fills in the settings and gives the options that stand for the sink."""

    def __init__(
        self,
        validation: Validation,
        table: Table,
        cls: type[Sink],
        others: tuple[str, ...],
        given: Mapping[str, object],
        *,
        judge: bool = True,
    ) -> None:
        """`table` is the sink's in the configuration, `others` its keys that are the core's, `given` what it may leave out."""
        self._validation = validation
        self._table = table
        self._cls = cls
        self._others = others
        self._given = given
        self._judge = judge
        self._node = table.entries["directory"]
        self._path = Path()
        self._secret = False  # whether a cell stands where a secret does

    def fill(self, settings: DirectorySettings) -> BaseModel | None:
        """The options that stand for the sink: its own where they take what has no owner, else the first owner's. None
        where something is wrong, which was said."""
        problems = self._validation.problems
        before = len(problems)
        self._path = settings.file
        if (refusal := self._type_problem()) is not None:
            problems.append(refusal)
            return None
        key = self._key(settings)
        own = None
        if settings.missing == "fallback":
            own = self._validation.model(self._table, self._cls.Options, others=self._others, given=self._given)
        rows, exposed = self._table_rows()
        if len(problems) > before or not rows:
            return None
        merged = self._merged(rows[0])
        first = self._validation.model(merged, self._cls.Options, others=self._others, given=self._given)
        self._note_secrets(merged)
        if any(problem.file != merged.file for problem in problems[before:]):
            return None  # because every row would say it again
        if not stand_ins(self._table):
            problems += self._tried(rows[1:])
        if key is None or first is None or len(problems) > before:
            return None
        if exposed and (self._secret or self._secret_in(rows)):
            self._validation.warnings.append(self._readable_by_others(rows[0]))
        settings.hold(self._directory(settings, key, rows, own))
        return first if own is None else own

    # -- the parts

    def _type_problem(self) -> Diagnostic | None:
        columns, cls = self._cls.owner_columns, self._cls
        if not columns:
            found = f"`directory` for a sink of the type {cls.type}, whose target is not an owner's"
            return self._node.problem(found=found, hint="leave it out here")
        known = fields_by_key(cls.Options)
        wrong = [option for option in columns.values() if option.removesuffix(_LIST).partition(".")[0] not in known]
        if wrong:
            return self._node.problem(
                found=f"the {cls.type} names an option in `owner_columns` that it has not: {wrong[0]}"
            )
        return None

    def _key(self, settings: DirectorySettings) -> OwnerKey | None:
        node = self._node.entries.get("key", self._node) if isinstance(self._node, Table) else self._node
        if isinstance(node, Scalar) and node.placeholder:
            return None
        try:
            key = OwnerKey(settings.key)
        except WhereError as error:
            place = f"column {error.column} of the expression: " if error.column else ""
            self._validation.problems.append(node.problem(found=place + error.detail))
            return None
        if self._judge:
            checked = check_key(key.where)
            self._validation.problems += [node.problem(found=text) for text in checked.errors]
            self._validation.warnings += [node.problem(found=text) for text in checked.warnings]
        return key

    def _table_rows(self) -> tuple[list[Row], bool]:
        node = self._node.entries.get("file", self._node) if isinstance(self._node, Table) else self._node
        if isinstance(node, Scalar) and node.placeholder:
            return [], False
        try:
            content, exposed = _content(self._path)
        except OSError as error:
            found = f"the file {self._path}, which cannot be read: {file_trouble(self._path, error)}"
            self._validation.problems.append(node.problem(found=found, expected="a CSV table"))
            return [], False
        reader = TableReader(self._cls.owner_columns)
        reader.parse(content)
        for said in reader.problems:
            problem = Diagnostic(
                file=str(self._path), path=node.path, line=said.line, column=said.column, found=said.mistake,
                expected=said.expected, hint=said.hint,
            )  # fmt: skip
            self._validation.problems.append(problem)
        if reader.more:
            self._validation.problems.append(node.problem(found=f"{reader.more} more problems in {self._path}"))
        return reader.rows, exposed

    def _tried(self, rows: list[Row]) -> Iterator[Diagnostic]:
        """What the type's options say of these rows."""
        wrong = 0
        for row in rows:
            merged = self._merged(row)
            try:
                with own_code():
                    self._options_of(merged)
                continue
            except ValidationError as error:
                mistakes = [problem for _, problem in problems_of(error, merged)]
            except Exception as error:  # a plugin's validator may raise anything
                mistakes = [merged.problem(found=f"its options cannot be validated: {where_raised(error)}")]
            wrong += 1
            if wrong > PROBLEMS_MAX:
                yield self._node.problem(
                    found=f"more rows of {self._path} that cannot be used; they were not looked at"
                )
                return
            yield from mistakes

    def _options_of(self, merged: Table) -> BaseModel:
        values = {**self._given, **TypedReader().model(merged, self._cls.Options, others=self._others)}
        return self._cls.Options.model_validate(values, context={"base": self._validation.base})

    def _directory(
        self, settings: DirectorySettings, key: OwnerKey, rows: list[Row], own: BaseModel | None
    ) -> Directory:
        columns = [name for name in self._cls.owner_columns if any(name in row.cells for row in rows)]
        texts = {row.owner.text: tuple(_column_text(row, name) for name in columns) for row in rows}

        def options(cells: Mapping[str, str]) -> BaseModel:
            placed = {name: Cell(text, 0, 0) for name, text in cells.items()}
            return self._options_of(self._merged(Row(Cell("", 0, 0), placed)))

        base = {**self._given, **TypedReader().model(self._table, self._cls.Options, others=self._others)}
        return Directory(file=settings.file, key=key, columns=columns, rows=texts, read=options, base=base, own=own)

    # -- a row as a part of the configuration

    def _merged(self, row: Row) -> Table:
        """The sink's table with the row's cells in it."""
        merged = _copied(self._table, row.owner)
        merged.file = str(self._path)
        for name, cell in row.cells.items():
            option = self._cls.owner_columns[name]
            *above, last = option.removesuffix(_LIST).split(".")
            inner = merged
            for step in above:
                there = inner.entries.get(step)
                below = _copied(there if isinstance(there, Table) else None, cell, path=inner.below(step))
                below.file = str(self._path)
                inner.entries[step] = below
                inner = below
            inner.entries[last] = self._value(cell, inner.below(last), is_list=option.endswith(_LIST))
        return merged

    def _value(self, cell: Cell, path: str, *, is_list: bool) -> YamlNode:
        if not is_list:
            return self._scalar(cell, cell.text, path)
        parts = [part.strip() for part in cell.text.split(_CELL_SEPARATOR) if part.strip()]
        items: list[YamlNode] = [self._scalar(cell, part, f"{path}[{number}]") for number, part in enumerate(parts)]
        return Items(file=str(self._path), line=cell.line, column=cell.column, path=path, items=items)

    def _scalar(self, cell: Cell, text: str, path: str) -> Scalar:
        # quoted, because a cell is a text: one that says `null` is no null
        return Scalar(file=str(self._path), line=cell.line, column=cell.column, path=path, text=text, quoted=True)

    def _note_secrets(self, merged: Table) -> None:
        self._secret = self._secret or any(one.secret for one in scalars(merged) if one.file == merged.file)

    def _secret_in(self, rows: list[Row]) -> bool:
        """Whether a row has a secret that the first has not: one row for each set of columns tells."""
        for row in {tuple(sorted(row.cells)): row for row in rows}.values():
            merged = self._merged(row)
            self._options_of(merged)
            self._note_secrets(merged)
        return self._secret

    def _readable_by_others(self, row: Row) -> Diagnostic:
        return Diagnostic(
            file=str(self._path), line=row.owner.line, column=1, path=self._node.path,
            found="the table holds secrets and can be read by group or others", hint=HOW_TO_CLOSE,
        )  # fmt: skip


def _copied(table: Table | None, place: Cell, *, path: str = "") -> Table:
    """The same table, or an empty one, at the place of a row."""
    entries = {} if table is None else dict(table.entries)
    keys = {} if table is None else dict(table.keys)
    shown = path if table is None else table.path
    return Table(
        file="" if table is None else table.file,
        line=place.line,
        column=place.column,
        path=shown,
        entries=entries,
        keys=keys,
    )


def _column_text(row: Row, name: str) -> str | None:
    cell = row.cells.get(name)
    return None if cell is None else cell.text


def _content(path: Path) -> tuple[bytes, bool]:
    """At most one byte more than may be, and whether too many may read the file. Only of a regular file, and never waited for."""
    with open_regular(path) as opened:
        return opened.read(TABLE_BYTES_MAX + 1), exposed_to_others(opened)
