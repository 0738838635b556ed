"""Looks whether a finished file is there, and says so in an event of its own."""

from plugins.sinks.confirm.options import ConfirmOptions
from plugins.sinks.confirm.sink import Confirm

__all__ = ["Confirm", "ConfirmOptions"]
