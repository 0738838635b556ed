"""A small object that several programs change: read with its version, replaced only if it is still that version."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway import Unavailable
from plugins.sinks.storage.object_store import ObjectStore


class VersionedBytes(NamedTuple):
    """What an object holds, and the version that it is replaced by."""

    data: bytes
    version: Any


class SharedObjects(ObjectStore):
    """An object store whose objects are changed by comparing versions, where it heeds `If-Match` (AWS, MinIO, GCS, Azure).

    One that does not heed it keeps what was put last: there only one program may write.
    """

    async def fetch(self, key: str, bytes_max: int) -> VersionedBytes | None:
        """None where there is none. Raises Unavailable for one that is longer, Retry, Refused."""
        store = self._store
        import obstore
        from obstore.exceptions import NotFoundError

        try:
            answer = await obstore.get_async(store, key)
            if answer.meta["size"] > bytes_max:
                raise Unavailable(f"{self.url(key)} is longer than {bytes_max} bytes")
            version = {name: value for name in ("e_tag", "version") if (value := answer.meta[name]) is not None}
            return VersionedBytes(bytes(await answer.bytes_async()), version)
        except (NotFoundError, FileNotFoundError):
            return None
        except Unavailable:
            raise
        except Exception as error:
            raise self._failure(error) from None

    async def replace(self, key: str, data: bytes, read: VersionedBytes | None) -> bool:
        """Write it in the place of what was read (None: of nothing); False: somebody else did meanwhile."""
        store = self._store
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotFoundError, NotModifiedError, PreconditionError

        try:
            await obstore.put_async(
                store, key, data, mode="create" if read is None else read.version, use_multipart=False
            )
        except (AlreadyExistsError, PreconditionError, NotModifiedError, FileExistsError):
            return False
        except (NotFoundError, FileNotFoundError) as error:
            if read is not None:  # it was deleted meanwhile
                return False
            raise self._failure(error) from None
        except Exception as error:
            raise self._failure(error) from None
        return True
