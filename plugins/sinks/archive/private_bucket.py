"""Objects that the vendor keeps private: read with keys, from a listed bucket and prefix alone, as a signed address names
them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from gateway import Trust
from plugins.sinks.archive.options import EXTRA, PrivateBucket
from plugins.sinks.storage.clients import bucket_url, make_store, not_installed
from plugins.sinks.storage.options import Credentials, StorageOptions

SIGNED_FOR: Final = timedelta(hours=1)  # each request is signed anew


def private_object(url: str, trust: Trust, buckets: Sequence[PrivateBucket]) -> tuple[PrivateBucket, str] | None:
    """The bucket and the key that a signed address names, if keys of ours may read it; the query says nothing of that.

    An address that the signature did not cover, with a user, another scheme than https (or the endpoint's), or a path that
    could be read in two ways is none.
    """
    if trust.rank < Trust.FIELDS.rank:
        return None
    try:
        parts = urlsplit(url)
        host, path = _host(parts), unquote(parts.path, errors="strict")
    except ValueError:
        return None
    if "@" in parts.netloc or "%" in path or "\\" in path or not path.isprintable():
        return None
    for bucket in buckets:
        for path_style in (False, True):
            place = urlsplit(bucket_url(bucket.endpoint, bucket.bucket, path_style=path_style))
            if (parts.scheme.lower(), host) != (place.scheme.lower(), _host(place)):
                continue
            before, key = f"{place.path}/", path[len(place.path) + 1 :]
            whole = all(part not in ("", ".", "..") for part in key.split("/"))
            if path.startswith(before) and key.startswith(bucket.prefix) and whole:
                return bucket, key
    return None


def _host(parts: SplitResult) -> str:
    """Host and port, without the port that its scheme has anyway. Raises ValueError."""
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme.lower())
    return f"{parts.hostname or ''}:{port}"


async def signed_address(bucket: PrivateBucket, key: str) -> str:
    """An address that may be read with GET for an hour, signed with the bucket's keys. Raises Unavailable."""
    return await asyncio.to_thread(_sign, bucket, key)


def _sign(bucket: PrivateBucket, key: str) -> str:
    try:
        import obstore
    except ModuleNotFoundError:
        raise not_installed(EXTRA) from None
    credentials = Credentials(access_key=bucket.access_key, secret_key=bucket.secret_key, token=bucket.token)
    options = StorageOptions(
        to=f"s3://{bucket.bucket}",
        endpoint=bucket.endpoint,
        region=bucket.region,
        path_style=bucket.path_style,
        credentials=credentials,
        ca=None,
        proxy=None,
    )
    return obstore.sign(make_store(options), "GET", key, SIGNED_FOR)
