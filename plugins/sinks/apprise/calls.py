"""Stands before `requests` inside apprise's plugins: bounded, without the environment's proxies, and it sees every answer."""

from __future__ import annotations

import threading
import time
from typing import Any, Final, NamedTuple

ANSWER_BYTES_MAX: Final = 64 * 1024  # bytes read of an answer
CALL_SECONDS_MAX: Final = 20.0  # seconds of one call in all, because a server that drips would hold the thread for ever
_IDLE_SECONDS: Final = 10.0  # seconds without a byte


class ServiceCall(NamedTuple):
    """One call that a plugin made: what came back, or that nothing did."""

    url: str
    status: int | None
    headers: dict[str, str]
    body: bytes
    trouble: str = ""  # the class of the exception, where nothing came back


class Calls:
    """Takes the place of the module `requests` in the modules of apprise's plugins; one thread's calls are apart from another's."""

    def __init__(self, requests: Any) -> None:
        self._requests = requests
        self._seen = threading.local()

    def collect(self) -> list[ServiceCall]:
        """The list that this thread's calls go into from now on."""
        made: list[ServiceCall] = []
        self._seen.calls = made
        return made

    def __getattr__(self, name: str) -> object:
        return getattr(self._requests, name)

    def get(self, url: str, params: object = None, **rest: object) -> object:
        return self.request("GET", url, params=params, **rest)

    def post(self, url: str, data: object = None, json: object = None, **rest: object) -> object:
        return self.request("POST", url, data=data, json=json, **rest)

    def put(self, url: str, data: object = None, **rest: object) -> object:
        return self.request("PUT", url, data=data, **rest)

    def patch(self, url: str, data: object = None, **rest: object) -> object:
        return self.request("PATCH", url, data=data, **rest)

    def delete(self, url: str, **rest: object) -> object:
        return self.request("DELETE", url, **rest)

    def head(self, url: str, **rest: object) -> object:
        return self.request("HEAD", url, **rest)

    def request(self, method: str, url: str, **rest: Any) -> object:
        """As requests.request, but nothing of the environment, no redirect, and an end in time."""
        calls: list[ServiceCall] = getattr(self._seen, "calls", [])
        rest = {**rest, "allow_redirects": False, "stream": True, "timeout": _IDLE_SECONDS}
        try:
            with self._requests.Session() as session:
                session.trust_env = False
                answer = session.request(method, url, **rest)
                answer._content = self._body_of(answer)
                answer._content_consumed = True
        except (self._requests.RequestException, OSError) as error:
            calls.append(ServiceCall(url, None, {}, b"", type(error).__name__))
            raise
        calls.append(ServiceCall(url, answer.status_code, dict(answer.headers), answer._content))
        return answer

    def _body_of(self, answer: Any) -> bytes:
        from urllib3.exceptions import HTTPError

        body, until = b"", time.monotonic() + CALL_SECONDS_MAX
        try:
            while len(body) <= ANSWER_BYTES_MAX and (chunk := answer.raw.read1(4096, decode_content=True)):
                body += chunk
                if time.monotonic() > until:
                    raise self._requests.Timeout("the answer did not end")
        except HTTPError as error:  # requests would say it so, and so do its callers expect it
            raise self._requests.ConnectionError(type(error).__name__) from None
        finally:
            answer.close()
        return body[:ANSWER_BYTES_MAX]
