"""The counterparts that other rooms of the sinks bring."""

from __future__ import annotations

from tests.sinks.archive import conftest as archive
from tests.sinks.database import conftest as database

bucket, endpoint, mysql = archive.bucket, archive.endpoint, database.mysql
