"""What an answer of Redis means, by the word that it begins with: https://redis.io/docs/latest/develop/reference/protocol-spec/."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import redis.exceptions as errors

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from plugins.sinks.streams.faults import network, own_words

_RETRY_AFTER: Final = timedelta(seconds=10)  # a server that fills its memory, loads its data or changes its role
_SERVICE: Final = (
    "LOADING",
    "BUSY",
    "MISCONF",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "READONLY",
    "OOM",
)
_UNAVAILABLE: Final = ("WRONGTYPE", "NOPERM", "NOAUTH", "WRONGPASS", "DENIED", "MOVED", "ASK", "CROSSSLOT", "NOPROTO")
_HINTS: Final = {
    "WRONGTYPE": "the key `stream` names is no stream",
    "MOVED": "this is a Redis Cluster, and another of its servers has the stream: name that one in `url`",
    "ASK": "this is a Redis Cluster, and another of its servers has the stream: name that one in `url`",
    "READONLY": "this is a replica",
}
_UNKNOWN: Final = ("unknown command", "DB index is out of range", "invalid DB index")


def judge(error: BaseException, where: str) -> DeliveryFailed:
    """The outcome of an attempt that ended so."""
    if isinstance(error, errors.AuthenticationError | errors.AuthorizationError | errors.NoPermissionError):
        # not the server's words, because a user's name is in them
        return Unavailable(f"{where} does not let us in: check `username`, `password` and the user's rights")
    if isinstance(error, errors.MaxConnectionsError):
        return Retry(f"{where}: no free connection", service=True)
    if isinstance(error, errors.BusyLoadingError):
        return Retry(f"{where} loads its data", _RETRY_AFTER, service=True)
    if isinstance(error, errors.TimeoutError):
        return Retry(f"{where} did not answer in time", service=True)
    if isinstance(error, errors.ConnectionError):
        cause = error.__cause__ or error.__context__
        failure = None if cause is None else network(cause, where)
        return failure or Retry(f"{where}: the connection broke ({own_words(error)})", service=True)
    if isinstance(error, errors.ResponseError):
        return _answered(error, where)
    if isinstance(error, errors.DataError):
        return Refused(f"{where}: the library cannot send this event ({type(error).__name__})")
    return network(error, where) or Retry(f"{where}: {type(error).__name__}", service=True)


def _answered(error: errors.ResponseError, where: str) -> DeliveryFailed:
    """The library cuts the first word off where it knows it, and keeps it as `status_code` in its later versions."""
    known = {
        errors.ReadOnlyError: "READONLY",
        errors.OutOfMemoryError: "OOM",
        errors.ClusterDownError: "CLUSTERDOWN",
        errors.MasterDownError: "MASTERDOWN",
        errors.TryAgainError: "TRYAGAIN",
        errors.MovedError: "MOVED",
        errors.AskError: "ASK",
        errors.ClusterCrossSlotError: "CROSSSLOT",
    }
    words = own_words(error)
    code = known.get(type(error)) or words.partition(" ")[0]
    text = f"{where}: {_HINTS.get(code) or words}" + (f" ({code})" if code in _HINTS else "")
    if code in _SERVICE:
        return Retry(text, _RETRY_AFTER, service=True)
    if code in _UNAVAILABLE or any(phrase in words for phrase in _UNKNOWN):
        return Unavailable(text)
    return Retry(text)
