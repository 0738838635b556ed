"""One recorded file: what the callback says of it, and what is known of it later."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from gateway.model.value import Value

REDACTED: Final = "[redacted]"
"""What stands in an event where `redact` took out a text; a number, a time or a hash that was taken out is absent."""


class Storage(Value, frozen=True, kw_only=True):
    """Where the vendor put the file in its object store. Vendors rarely sign it: do not follow it blindly."""

    location: str | None = None
    bucket: str | None = None
    key: str | None = None


class Measured(Value, frozen=True, kw_only=True):
    """What somebody (`by`: a sink's name) found when looking at a file at `at`, whatever the callback said of it."""

    at: datetime
    by: str
    size_bytes: int | None = None
    etag: str | None = None
    media_type: str | None = None


class Archived(Value, frozen=True, kw_only=True):
    """Where a copy of the file lies; `at`: since when, where that is known."""

    url: str
    at: datetime | None = None


class File(Value, frozen=True, kw_only=True):
    """One recorded file. Sizes are bytes, durations seconds, times aware UTC; None is absent.

    `expires_at` is when its links end; `sha256` lower hex of its bytes. `measured` is a look at the address that the
    callback named, whoever holds that; `confirmed` the same where the operator answers for the holder.
    """

    format: str | None = None
    download_url: str | None = None
    play_url: str | None = None
    asset_id: str | None = None
    size_bytes: int | None = None
    duration_seconds: int | float | None = None
    width: int | None = None
    height: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    storage: Storage | None = None
    expires_at: datetime | None = None
    sha256: str | None = None
    confirmed: Measured | None = None
    measured: Measured | None = None
    archived: Archived | None = None

    @property
    def address(self) -> str | None:
        """Where it can be fetched; None: nobody says, or it is redacted."""
        return next((url for url in (self.download_url, self.play_url) if url and url != REDACTED), None)

    @property
    def is_as_it_came(self) -> bool:
        """Whether nothing is known of it but what a callback says."""
        return (
            self.expires_at is None
            and self.sha256 is None
            and self.confirmed is None
            and self.measured is None
            and self.archived is None
        )
