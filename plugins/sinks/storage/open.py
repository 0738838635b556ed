"""The storage that options name."""

from __future__ import annotations

from plugins.sinks.storage.local_folder import Folder
from plugins.sinks.storage.object_store import ObjectStore
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.storage import FileStorage


def open_storage(options: StorageOptions, *, extra: str) -> FileStorage:
    """Not reached yet. `extra` is what brings obstore, for the text where it is not installed."""
    return Folder(options.folder) if options.kind == "folder" else ObjectStore(options, extra)
