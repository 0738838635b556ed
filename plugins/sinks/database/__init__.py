"""The sink `database`: one row an event or a file in SQLite, PostgreSQL, MySQL or MariaDB, written once."""

from plugins.sinks.database.sink import Database

__all__ = ["Database"]
