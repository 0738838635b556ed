"""Makes a connection as an address says, within bounds that notice a black hole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway.errors import StoreUnavailable
from gateway.store.engine.patience import NoAnswer, NotYet
from gateway.store.engine.session import Columns
from gateway.text.regular_file import NotRegular, require_libpq_files
from gateway.text.store_address import StoreAddress

if TYPE_CHECKING:
    from psycopg import Connection

BOUNDS: Final = {  # seconds, of libpq's; milliseconds for tcp_user_timeout
    "connect_timeout": "5",
    "tcp_user_timeout": "5000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "application_name": "recording-gateway",
    "client_encoding": "UTF8",
}
_NOT_NOW: Final = ("starting up", "shutting down", "too many", "remaining connection slots", "recovery mode")
_HOPELESS: Final = ("authentication", "password", "does not exist", "pg_hba", "no encryption", "invalid", "SSL")


def connect(address: StoreAddress, bounds: Mapping[str, str] = BOUNDS) -> Connection[Columns]:
    """A connection in autocommit that prepares nothing.

    Raises psycopg.Error, ValueError, ImportError without the extra, and StoreUnavailable for a file that would be waited for.
    """
    import psycopg
    from psycopg.conninfo import make_conninfo

    try:
        require_libpq_files(address.parameters)
    except NotRegular as error:
        raise StoreUnavailable(f"{address.shown} cannot be reached: {error.strerror}") from None
    words = make_conninfo(**{**bounds, **address.parameters})
    return psycopg.connect(words, autocommit=True, prepare_threshold=None)


def refusal(text: str) -> type[StoreUnavailable]:
    """Whether it is of use to wait for such a server."""
    if any(word in text for word in _HOPELESS):
        return StoreUnavailable
    return NotYet if any(word in text for word in _NOT_NOW) else NoAnswer
