"""Copies finished files into a folder or an object store, and says so in an event of its own."""

from plugins.sinks.archive.options import ArchiveOptions
from plugins.sinks.archive.sink import Archive

__all__ = ["Archive", "ArchiveOptions"]
