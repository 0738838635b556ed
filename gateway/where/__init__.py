"""The `where` of a route: a CEL expression over the JSON of an event, bounded, checked on samples, evaluated fast."""

from gateway.where.expression import Where, WhereFailed, compile_where, present
from gateway.where.sample_check import Checked, check_where, checked
from gateway.where.syntax import WhereError

__all__ = ["Checked", "Where", "WhereError", "WhereFailed", "check_where", "checked", "compile_where", "present"]
