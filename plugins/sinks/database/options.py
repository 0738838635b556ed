"""What the database sink can be told: where, which table, and what goes into which column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError, core_schema

from gateway import ONE_OR_MANY, Options, Secret, suggestion
from plugins.sinks.database import own_table
from plugins.sinks.database.address import absolute, parse, split_password
from plugins.sinks.database.column_map import compile_column, names_event_id

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)


def _column(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PydanticCustomError("identifier", "a name of letters, digits and _ that begins with no digit")
    return name


def _table(name: str) -> str:
    parts = name.split(".")
    if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts):
        raise PydanticCustomError(
            "table", "a table or schema.table of letters, digits and _, none beginning with a digit"
        )
    return name


def _expression(text: str) -> str:
    try:
        compile_column(text)
    except ValueError as error:
        raise PydanticCustomError("expression", "a CEL expression: {said}", {"said": str(error)}) from None
    return text


@dataclass(frozen=True, slots=True)
class _DatabaseUrl:
    """Checks a database's URL, and puts a relative SQLite file beside the configuration."""

    shown: bool = False  # errors do not quote it, because it may hold a password at a wrong place
    stand_ins: tuple[str, ...] = ("postgresql://placeholder@placeholder.invalid/placeholder",)  # for check --no-secrets

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(self._place, handler(source))

    def _place(self, value: str, info: ValidationInfo) -> str:
        base = (info.context or {}).get("base")
        try:
            return absolute(value, None if base is None else Path(base))
        except ValueError as error:
            raise PydanticCustomError("database_url", "{expected}", {"expected": str(error)}) from None


ColumnName = Annotated[str, AfterValidator(_column)]


class DatabaseOptions(Options):
    """Where rows are written, and what is in them."""

    url: Annotated[str, _DatabaseUrl()] = Field(
        description="The database: postgresql://user@host/database, mysql://…, mariadb://… or sqlite:///file.db."
    )
    password: Secret | None = Field(None, description="The password that goes with the URL's user.")
    table: Annotated[str, AfterValidator(_table)] = Field(
        "recordings", description="The table, or schema.table. Without `columns` it is made where it is not there."
    )
    rows: Literal["file", "event"] = Field(
        "file",
        description="`file`: one row a file, and one for an event without files; `event`: one row an event, whatever it has.",
    )
    columns: Mapping[ColumnName, Annotated[str, AfterValidator(_expression)]] | None = Field(
        None,
        description="For a table of your own: its columns, each with a CEL expression over `event` and, with `rows: file`, `file` and `index`.",
    )
    key: Annotated[tuple[ColumnName, ...], ONE_OR_MANY] = Field(
        (),
        description="The columns that tell one row from another: later events with the same values fill in that row. Empty: the event's id, and the file's number.",
    )
    version: ColumnName | None = Field(
        None,
        description="A column that grows, such as a time: an event with less than the row has only fills what is empty. A table that the gateway made always uses `received_at`.",
    )
    create: bool = Field(True, description="Whether the table is made where it is not there.")
    connections: int = Field(4, ge=1, le=100, description="Most connections at once; SQLite always has one.")

    @model_validator(mode="before")
    @classmethod
    def _take_password_out(cls, given: object) -> object:
        if not isinstance(given, Mapping) or not isinstance(url := given.get("url"), str):
            return given
        bare, password = split_password(url)
        if password is None:
            return given if bare == url else {**given, "url": bare}
        if given.get("password") is not None:
            raise PydanticCustomError("passwords", "the password in the URL or beside it, not both; keep `password`")
        return {**given, "url": bare, "password": password}

    @model_validator(mode="after")
    def _agree(self) -> DatabaseOptions:
        if parse(self.url).dialect == "sqlite" and self.password is not None:
            raise PydanticCustomError("sqlite_password", "no `password` for a SQLite file")
        if len(set(self.key)) < len(self.key):
            raise PydanticCustomError("key", "each column of `key` once")
        if self.columns is None:
            self._check_own()
        else:
            self._check_mapped(self.columns)
        return self

    def _check_own(self) -> None:
        known = [name for name in own_table.columns(self.rows) if name not in {"stored_at", "file_index"}]
        for name in self.key:
            if name not in known:
                raise PydanticCustomError(
                    "key", "`key`: no column `{name}`{hint}", {"name": name, "hint": suggestion(name, known)}
                )
        if self.version is not None:
            raise PydanticCustomError(
                "version", "`version` only with `columns`: the gateway's own table goes by received_at"
            )

    def _check_mapped(self, columns: Mapping[str, str]) -> None:
        if not columns:
            raise PydanticCustomError("columns", "`columns` with at least one column, or none at all")
        folded: dict[str, str] = {}
        for name in columns:
            if folded.setdefault(name.lower(), name) != name:
                raise PydanticCustomError("columns", "each column once: `{name}` is there twice", {"name": name})
        wrong = []
        for name, text in columns.items():
            wrong += [f"`{name}`: {said}" for said in compile_column(text).misnamed(files=self.rows == "file")]
        if wrong:
            raise PydanticCustomError("expressions", "{said}", {"said": "; ".join(wrong)})
        for option, names in (("key", self.key), ("version", (self.version,) if self.version else ())):
            for name in names:
                if name not in columns:
                    raise PydanticCustomError(
                        "key",
                        "`{option}`: `{name}` is not in `columns`{hint}",
                        {"option": option, "name": name, "hint": suggestion(name, tuple(columns))},
                    )
        if not self.key and not any(names_event_id(text) for text in columns.values()):
            raise PydanticCustomError(
                "key",
                "`key`: the columns that tell one row from another, or a column with the expression event.id",
            )
