"""An object store as a storage: S3 and what speaks it, GCS, Azure, through obstore. Parts go up one after another."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway import DeliveryFailed, Refused, Retry, Stopping, Unavailable, redact
from plugins.sinks.storage.clients import AZURE, GCS, make_store, missing_library, not_installed, s3_url
from plugins.sinks.storage.disk import Disk
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.s3_upload import RESUMED_BYTES_MIN, S3Upload
from plugins.sinks.storage.storage import FileBody, Resume, Stored, TellSent, uncounted

SHA256: Final = "sha256"  # the metadata that says it
if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

PART_BYTES_MIN: Final = 5 * 2**20  # of one part; two of each upload are in memory
PARTS_MAX: Final = 10_000  # of one upload, on S3
_READ_BYTES: Final = 2**20
_ADDRESS: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.A | re.I)
LETTING_GO_SECONDS: Final = 0.05
"""In which the library's threads let go of a call's last objects: an interpreter that ends before that is aborted (seen)."""
_TRIES: Final = re.compile(r"Error performing ([A-Z]{3,7}) … in .{1,120}? - (?:HTTP error: )?")
_SYSTEM: Final = re.compile(r'message: "([A-Za-z ]{3,60})"')
_CERTIFICATE: Final = re.compile(r"InvalidCertificate\(\s*([A-Za-z]{3,40})")
_NOT_ACCEPTED: Final = {
    "Expired": "it has expired",
    "NotValidYet": "it is not valid yet",
    "NotValidForName": "it is for another name",
    "UnknownIssuer": "its authority is not known here; name it in `ca`",
    "BadSignature": "another authority than that of `ca` signed it",
    "Revoked": "it was revoked",
}
_NO_TLS: Final = "InvalidContentType"


class ObjectStore:
    """One bucket, and below the prefix of its options."""

    def __init__(self, options: StorageOptions, extra: str, disk: Disk | None = None) -> None:
        self._options = options
        self._disk = disk or Disk("object store")
        self._extra = extra

    def url(self, key: str) -> str:
        options = self._options
        whole = quote(f"{options.prefix}/{key}" if options.prefix else key)
        if options.kind == "azure":
            base = options.endpoint or AZURE.format(account=options.credentials.account)
            return f"{base.rstrip('/')}/{options.bucket}/{whole}"
        if options.kind == "gcs":
            return f"{(options.endpoint or GCS).rstrip('/')}/{options.bucket}/{whole}"
        return f"{s3_url(options)}/{whole}"

    async def head(self, key: str, *, hashed: bool = False) -> Stored | None:
        """The hash is the one that was told when it was put; of an object that somebody else put nobody knows it."""
        store = self._store
        import obstore
        from obstore.exceptions import NotFoundError

        try:
            if not hashed:
                meta, sha256 = await obstore.head_async(store, key), None
            else:
                answer = await obstore.get_async(store, key, options={"head": True})
                meta, sha256 = answer.meta, _metadata(answer.attributes)
        except (NotFoundError, FileNotFoundError):
            return None
        except Exception as error:
            raise self._failure(error) from None
        if meta["e_tag"] is None:  # a page that is there whatever is asked for, and every name would count as taken
            raise Unavailable(
                f"{self._options.to}: what answers gives no ETag, so it is no object store: see `endpoint`"
            )
        return Stored(meta["size"], sha256, meta["e_tag"])

    async def put(
        self,
        key: str,
        body: FileBody,
        *,
        size: int | None = None,
        media_type: str | None = None,
        sha256: str | None = None,
        sent: TellSent = uncounted,
        resume: Resume | None = None,
    ) -> None:
        """The parts are joined at the end, so that nobody sees one of them; where something fails they are given up."""
        store = self._store
        import obstore

        attributes = {"Content-Type": media_type} if media_type else {}
        if sha256:
            attributes[SHA256] = sha256
        if isinstance(body, Path):
            path = body
            size = await self._disk.work(lambda: path.stat().st_size, path.parent)
            if resume is not None and size >= RESUMED_BYTES_MIN and self._options.credentials.access_key is not None:
                headers = {"content-type": media_type} if media_type else {}
                headers |= {f"x-amz-meta-{SHA256}": sha256} if sha256 else {}
                upload = S3Upload(self._options, self._disk, key, path, size, part_size(size), resume)
                return await upload.send_parts(headers, sent)
            # a small one is one request in place of three
            body = await self._disk.work(path.read_bytes, path.parent) if size <= PART_BYTES_MIN else self._pieces(path)
        pieces = body if isinstance(body, bytes) else _counted(body, sent)
        try:
            await obstore.put_async(
                store,
                key,
                pieces,
                attributes=attributes or None,
                chunk_size=part_size(size),
                max_concurrency=1,  # because each part in flight is in memory
            )
        except (DeliveryFailed, Stopping):
            raise
        except Exception as error:
            raise self._failure(error) from None

    async def _pieces(self, path: Path) -> AsyncIterator[bytes]:
        with await self._disk.work(lambda: path.open("rb"), path.parent) as file:
            while piece := await self._disk.work(lambda: file.read(_READ_BYTES), path.parent):
                yield piece

    async def reach(self) -> str:
        """Asks for an object that is hardly there: an answer of that is the bucket's."""
        await self.head("recording-gateway-reaches-this-bucket")
        return f"{self.url('').rstrip('/')} answers"

    def missing(self) -> Sequence[str]:
        return missing_library(self._extra)

    async def close(self) -> None:
        if self.__dict__.pop("_store", None) is not None:
            await asyncio.sleep(LETTING_GO_SECONDS)
        await self._disk.close()

    @functools.cached_property
    def _store(self) -> AzureStore | GCSStore | S3Store:
        """Asked for before anything of the library is used: what keeps it from being made is the whole storage's trouble."""
        try:
            return make_store(self._options)
        except ModuleNotFoundError:
            raise not_installed(self._extra) from None
        except (ValueError, OSError) as error:
            raise Unavailable(f"{self._options.to}: {redact(str(error))[:200]}") from None
        except Exception as error:  # the library's own
            raise Unavailable(f"{self._options.to}: {_words(error)}") from None

    def _failure(self, error: Exception) -> Retry | Refused | Unavailable:
        """The outcome of what the library raised. Its text has the URL of the request, so only its first words are told."""
        from obstore import exceptions as named

        place, words = self._options.to, _words(error)
        if isinstance(error, named.PermissionDeniedError | named.UnauthenticatedError | PermissionError):
            return Unavailable(f"{place} does not let us in: {words}")
        if isinstance(error, named.NotFoundError | FileNotFoundError):
            return Unavailable(f"{place} is not there: {words}")
        if isinstance(error, named.InvalidPathError | named.NotSupportedError | ValueError):
            return Refused(f"{place} cannot hold this key: {words}")
        return Retry(f"{place}: {words}", service=True)


def part_size(size: int | None) -> int:
    """Bytes of a part, so that a body of this size fits into as many as there may be; a MiB more each where it is large."""
    needed = -(-(size or 0) // PARTS_MAX)
    return max(PART_BYTES_MIN, -(-needed // 2**20) * 2**20)


async def _counted(pieces: AsyncIterator[bytes], sent: TellSent) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece
        sent(len(piece))


def _metadata(attributes: Mapping[str, object]) -> str | None:
    named = {str(name).lower(): value for name, value in dict(attributes).items()}
    value = named.get(SHA256)
    return value if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value, re.A) else None


def _words(error: Exception) -> str:
    """What the library says without the request's address, how often it tried, and its own insides but the system's word."""
    first, _, insides = str(error).partition("\n")
    words = _TRIES.sub(r"\1: ", _ADDRESS.sub("…", first))
    if system := _SYSTEM.search(insides):
        words += f" ({system[1].lower()})"
    if certificate := _CERTIFICATE.search(insides):
        kind = certificate[1].removesuffix("Context")
        words += f" (its TLS certificate is not accepted: {_NOT_ACCEPTED.get(kind, kind)})"
    elif _NO_TLS in insides:
        words += " (what answers there does not speak TLS)"
    return redact(" ".join(words.split()))[:300]
