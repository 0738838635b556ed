"""Sends a short text to one of the many services that the library apprise knows, where no sink of our own does."""

from plugins.sinks.apprise.options import AppriseOptions
from plugins.sinks.apprise.sink import AppriseSink

__all__ = ["AppriseOptions", "AppriseSink"]
