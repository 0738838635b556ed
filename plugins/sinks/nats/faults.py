"""What an error of NATS means, by JetStream's own number: nats-server, server/errors.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import nats.errors
import nats.js.errors

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from plugins.sinks.streams.faults import network, own_words

# 10054 the message is larger than the stream takes, 10097 so are its headers: of this message alone
_REFUSED: Final = frozenset({10054, 10097})
# 10039 the account has no JetStream, 10076 the server has none, 10059 no such stream, 10060 another stream has the
# subject, 10109 the stream is sealed, 10107 mirrors take no messages: until somebody mends it
_UNAVAILABLE: Final = frozenset({10035, 10039, 10059, 10060, 10076, 10107, 10109})
_OF_THE_SUBJECT: Final = frozenset({10060})
_NOT_LET_IN: Final = (
    "authorization violation",
    "authentication",
    "user authentication expired",
    "account authentication",
)


def judge(error: BaseException, where: str, subject: str = "", *, fixed: bool = True) -> DeliveryFailed:
    """The outcome of an attempt that ended so. `subject`: where the message was to go; `fixed`: whether all others go there
    too, so that what is wrong with it is wrong with the whole target."""
    unheard = isinstance(error, nats.js.errors.NotFoundError) and error.err_code is None  # looked for, and not there
    if unheard or isinstance(error, nats.js.errors.NoStreamResponseError | nats.errors.NoRespondersError):
        text = f"{where}: no stream takes the subject {subject!r}; make one (`nats stream add`), or see `subject`"
        return Unavailable(text) if fixed else Retry(text)
    if isinstance(error, nats.js.errors.APIError):
        return _answered(error, where, fixed=fixed)
    if isinstance(error, nats.errors.MaxPayloadError):
        return Refused(f"{where}: the event is larger than the server takes (max_payload)")
    if isinstance(error, nats.errors.SecureConnWantedError):
        return Unavailable(f"{where} does not speak TLS, so nothing was said to it; see `url`")
    if isinstance(error, nats.errors.BadSubjectError):
        return Refused(f"{where}: the subject of the event is not valid")
    if isinstance(error, nats.errors.AuthorizationError):
        return _not_let_in(where)
    if isinstance(
        error, nats.errors.TimeoutError | nats.errors.ConnectionClosedError | nats.errors.StaleConnectionError
    ):
        how = "did not answer in time" if isinstance(error, nats.errors.TimeoutError) else "closed the connection"
        return Retry(f"{where} {how}", service=True)
    if isinstance(error, nats.errors.NoServersError):
        return Retry(f"{where} cannot be reached", service=True)
    if isinstance(error, nats.errors.Error):
        return _spoken(error, where, fixed=fixed)
    return network(error, where) or Retry(f"{where}: {type(error).__name__}", service=True)


def _not_let_in(where: str) -> Unavailable:
    return Unavailable(f"{where} does not let us in: check `username` and `password`, or `token`")


def _answered(error: nats.js.errors.APIError, where: str, *, fixed: bool) -> DeliveryFailed:
    text = f"{where}: {own_words(error.description or type(error).__name__)} ({error.err_code or error.code})"
    if error.err_code in _REFUSED:
        return Refused(text)
    if error.err_code in _UNAVAILABLE:
        return Retry(text) if error.err_code in _OF_THE_SUBJECT and not fixed else Unavailable(text)
    return Retry(text, service=error.code is None or error.code >= 500)


def _spoken(error: nats.errors.Error, where: str, *, fixed: bool) -> DeliveryFailed:
    """What the server says in words: it has no numbers for these."""
    words = own_words(error)
    low = words.lower()
    if any(phrase in low for phrase in _NOT_LET_IN):
        return _not_let_in(where)
    if "permissions violation" in low:
        text = f"{where}: the user may not publish there: {words}"
        return Unavailable(text) if fixed else Retry(text)
    if "maximum payload" in low:
        return Refused(f"{where}: the event is larger than the server takes (max_payload)")
    return Retry(f"{where}: {words}", service=True)


def last_of(errors: Sequence[Exception], usual: Exception) -> Exception:
    """Why no server could be reached: what the last of them did says more than that there is none."""
    return next((error for error in reversed(errors) if not isinstance(error, nats.errors.NoServersError)), usual)
