"""Runs a program for each event, with the event on its standard input and nothing of ours around it."""

from plugins.sinks.exec.options import ExecOptions
from plugins.sinks.exec.sink import Exec

__all__ = ["Exec", "ExecOptions"]
