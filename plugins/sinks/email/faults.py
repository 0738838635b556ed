"""What a mail server's answer means: again, never for this mail or recipient, or a broken target."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import aiosmtplib

from gateway.egress.faults import explain
from gateway.errors import DeliveryFailed, Refused, Retry, Unavailable
from gateway.text.escaping import visible
from gateway.text.redaction import redact

_ENHANCED: Final = re.compile(r"\s*([245])\.\d{1,3}\.\d{1,3}\b")
_NOT_OFFERED: Final = re.compile(r"not supported by|No suitable authentication")  # the library has no class for it
_LONGEST: Final = 200  # characters of a server's own words
_TOO_LARGE: Final = 552


def said(code: int, message: str) -> str:
    """An answer on one line, without secrets."""
    words = visible(redact(" ".join(str(message).split())[: 4 * _LONGEST]))
    return f"{code} {words}".strip()[:_LONGEST]


def is_permanent(code: int, message: str, again: Collection[int] = ()) -> bool:
    """Whether trying again is of no use. An enhanced code (RFC 3463) knows better than the code before it."""
    if code in again or not 400 <= code <= 599:
        return False
    enhanced = _ENHANCED.match(message)
    return enhanced[1] == "5" if enhanced and enhanced[1] in "45" else code >= 500


def judge(error: BaseException, where: str, again: Collection[int] = ()) -> DeliveryFailed:
    """The outcome of a mail that failed as a whole. `again`: codes from 500 on that mean later."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        # not the server's words, because some repeat what was sent to them
        if is_permanent(error.code, error.message, again):
            return Unavailable(f"{where} does not let us in ({error.code}): check username and password")
        return Retry(f"{where} cannot check the password now ({error.code})", service=True)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"{where}: {said(error.code, error.message)}"
        if not is_permanent(error.code, error.message, again):
            return Retry(text, service=True)
        if isinstance(error, aiosmtplib.SMTPDataError) or error.code == _TOO_LARGE:
            return Refused(text)
        return Unavailable(text)  # of the greeting, or of `from`, which is the same for every mail
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return Unavailable(f"{where} cannot do what is asked of it: {said(0, error.message)[2:]}")
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return Retry(f"{where} closed the connection", service=True)
    if isinstance(error, aiosmtplib.SMTPTimeoutError | TimeoutError):
        return Retry(f"{where} did not answer in time", service=True)
    if isinstance(error, aiosmtplib.SMTPConnectError | OSError):
        return explain(error, where)
    if isinstance(error, aiosmtplib.SMTPException) and _NOT_OFFERED.search(str(error.message)):
        what = "STARTTLS" if "STARTTLS" in str(error.message) else "a way to log in that we know"
        return Unavailable(f"{where} does not offer {what}; see `tls`, `port` and `username`")
    return Retry(f"{where}: {type(error).__name__}", service=isinstance(error, aiosmtplib.SMTPException))
