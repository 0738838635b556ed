"""The bearer token of OAuth 2.0 client credentials: fetched by one, kept for all, renewed before its end."""

from __future__ import annotations

import asyncio
import base64
import re
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote_plus, urlencode

from gateway import Answer, DeliveryFailed, Http, Retry, Unavailable, Via, failure_of, learn_passing_secret
from plugins.sinks.forward.cloud_schemes import OAuth2Scheme

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}", re.ASCII)
_ERROR: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
LIFETIME_SECONDS: Final = 300  # of a token whose answer says nothing of its end
LIFETIME_SECONDS_MAX: Final = 86_400  # it is renewed once a day, whatever it says
EARLY_SECONDS_MAX: Final = 60  # so long before its end it is renewed, or a tenth of its life where that is less
REHEARSED: Final = "a-token-would-stand-here"  # in a preview, which calls nobody


class AccessToken:
    """One token at a time. Many deliveries that need one make one request, and share how that one failed."""

    def __init__(self, scheme: OAuth2Scheme, http: Http, via: Via) -> None:
        self._scheme = scheme
        self._http = http
        self._via = via
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at: datetime | None = None
        self._asked = 0  # requests that have ended
        self._failure: DeliveryFailed | None = None  # of the last one

    async def get(self) -> str:
        """The token that is good now. Raises Retry or Unavailable, in words without the secret."""
        if (token := self._good()) is not None:
            return token
        before = self._asked
        async with self._lock:
            if (token := self._good()) is not None:
                return token
            if self._asked > before and self._failure is not None:
                # asked for while this one waited: to ask again at once would only make a queue of the same failure
                raise self._failure.with_traceback(None)
            self._failure = None
            try:
                token, lifetime = await self._fetch()
            except DeliveryFailed as failure:
                self._failure = failure
                self._asked += 1
                raise
            self._token = token
            self._asked += 1
            learn_passing_secret(token)
            early = min(timedelta(seconds=EARLY_SECONDS_MAX), lifetime / 10)
            self._renew_at = self._http.clock.now() + lifetime - early
            return token

    def forget(self, token: str) -> None:
        """It was not taken: the next one asks for another, unless somebody has one already."""
        if token == self._token:
            self._token = None

    def rehearse(self) -> None:
        """For a preview: nobody is asked, a word stands in the token's place."""
        self._token, self._renew_at = REHEARSED, datetime.max.replace(tzinfo=self._http.clock.now().tzinfo)

    def _good(self) -> str | None:
        if self._token is None or self._renew_at is None or self._http.clock.now() >= self._renew_at:
            return None
        return self._token

    async def _fetch(self) -> tuple[str, timedelta]:
        scheme = self._scheme
        form = {"grant_type": "client_credentials"}
        if scheme.scopes:
            form["scope"] = " ".join(scheme.scopes)
        if scheme.audience is not None:
            form["audience"] = scheme.audience
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        id, secret = scheme.client_id, scheme.client_secret.reveal()
        if scheme.credentials == "body":
            form |= {"client_id": id, "client_secret": secret}
        else:  # RFC 6749, 2.3.1: encoded as in a form before they are put together
            pair = f"{quote_plus(id)}:{quote_plus(secret)}".encode()
            headers["authorization"] = "Basic " + base64.b64encode(pair).decode()
        answer = await self._http.post(
            scheme.token_url, content=urlencode(form), headers=headers, via=self._via, classify=_judged
        )
        return _token_in(answer)


def bearer(token: str) -> dict[str, str]:
    """The header that carries it."""
    return {"authorization": f"Bearer {token}"}


def _judged(answer: Answer) -> None:
    """No answer of the token endpoint is about this event: whatever is wrong there is wrong for all."""
    if answer.status == 200:
        return
    where = f"HTTP {answer.status} from the token endpoint {answer.origin}"
    failure = failure_of(answer) if answer.status >= 300 else None
    if isinstance(failure, Retry) and answer.status != 404:
        raise Retry(f"no token: {where}", failure.after, status=answer.status, service=True)
    said = _document(answer).get("error")
    why = f": {said}" if isinstance(said, str) and _ERROR.fullmatch(said) else ""
    raise Unavailable(f"no token: {where}{why}", status=answer.status)


def _token_in(answer: Answer) -> tuple[str, timedelta]:
    document = _document(answer)
    where = f"the token endpoint {answer.origin} answered 200"
    token, kind = document.get("access_token"), document.get("token_type", "bearer")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise Unavailable(f"no token: {where} without an access_token that fits into a header", status=answer.status)
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Unavailable(f"no token: {where} with a token that is no bearer token", status=answer.status)
    return token, timedelta(seconds=_lifetime(document.get("expires_in")))


def _lifetime(expires_in: object) -> float:
    """Seconds; some servers write the number as a text."""
    try:
        seconds = (
            float(expires_in)
            if isinstance(expires_in, int | float | str) and not isinstance(expires_in, bool)
            else LIFETIME_SECONDS
        )
    except (ValueError, OverflowError):
        seconds = LIFETIME_SECONDS
    return min(seconds, LIFETIME_SECONDS_MAX) if seconds > 0 else LIFETIME_SECONDS


def _document(answer: Answer) -> dict[str, object]:
    try:
        said = answer.json()
    except Retry:
        return {}
    return said if isinstance(said, dict) else {}
