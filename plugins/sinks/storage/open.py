"""The storage that options name."""

from __future__ import annotations

from plugins.sinks.storage.disk import Disk
from plugins.sinks.storage.local_folder import Folder
from plugins.sinks.storage.object_store import ObjectStore
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.storage import FileStorage


def open_storage(options: StorageOptions, *, extra: str, disk: Disk | None = None) -> FileStorage:
    """Not reached yet. `extra` is what brings obstore, for the text where it is not installed; `disk` has its threads."""
    return Folder(options.folder, disk) if options.kind == "folder" else ObjectStore(options, extra, disk)
