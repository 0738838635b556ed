"""Calls of the vendor's API, signed, and what its refusals mean in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote, urlencode

from gateway import (
    Answer,
    Http,
    Malformed,
    Refused,
    Retry,
    Unavailable,
    decode_document,
    encode_json_ascii,
    redact,
    visible,
)
from plugins.sources.huawei_live.reconcile import HuaweiReconcile
from plugins.vendors.huawei_aksk import sign_call

CALL_SECONDS_MAX: Final = 30.0
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024  # a page of a hundred recordings has some 100 KB
THROTTLED_WAIT: Final = timedelta(minutes=1)  # where a 429 does not say how long
CLOCK_OFF_SECONDS_MAX: Final = 300.0  # further apart, and the vendor takes no signature
_WORDS_CHARS_MAX: Final = 200


async def call(
    http: Http,
    options: HuaweiReconcile,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]] = (),
    body: Mapping[str, object] | None = None,
) -> Mapping[str, object]:
    """What the API answers at this path below the project. Raises Retry, Unavailable and Refused, in words."""
    url = options.api + path + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    content = b"" if body is None else encode_json_ascii(dict(body)).encode()
    headers = {"X-Project-Id": options.project_id, "Content-Type": "application/json"}
    headers |= sign_call(
        method,
        url,
        headers,
        content,
        access_key=options.access_key.reveal(),
        secret_key=options.secret_key.reveal(),
        now=http.clock.now(),
    )
    answer = await http.request(
        method,
        url,
        content=content or None,
        headers=headers,
        classify=_classifier(options),
        timeout=CALL_SECONDS_MAX,
        via=options.via,
        limit=ANSWER_BYTES_MAX,
    )
    if answer.truncated:
        raise Refused(f"the API at {answer.origin} answered with more than {ANSWER_BYTES_MAX} bytes")
    if not answer.body.strip():
        return {}
    try:
        return decode_document(answer.body).plain  # what no store could hold is repaired, as in a callback
    except Malformed as error:
        raise Retry(
            f"the API at {answer.origin} answered with no JSON object ({error.detail}): {answer.quoted}"
        ) from None


def _classifier(options: HuaweiReconcile) -> Callable[[Answer], None]:
    def classify(answer: Answer) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        what = f"the API at {answer.origin} answered {status}{_words(answer)}"
        if status == 401:
            raise Unavailable(
                f"{what}: it does not take this access key. {_clock_off(answer)}Is `access_key` the AK and `secret_key` its SK, and "
                "is the key still active in the console?",
                status=status,
            )
        if status == 403:
            raise Unavailable(
                f"{what}: the key is known and may not do this. Give its user a role for the Live service in the project "
                f"{options.project_id} (to read; for `--fix` also to change)",
                status=status,
            )
        if status == 404 or 300 <= status < 400:
            where = "`base_url`" if options.region is None else f"the region {options.region}"
            raise Unavailable(
                f"{what}: {where} or the project {options.project_id} is another than that of the domains",
                status=status,
            )
        if status == 429:
            wait = answer.retry_after or THROTTLED_WAIT
            raise Retry(f"{what}: too many calls; lower `calls`", wait, status=status)
        if status == 408 or status >= 500:
            raise Retry(what, answer.retry_after, status=status)
        raise Refused(what, status=status)

    return classify


def _words(answer: Answer) -> str:
    """The vendor's own code and words, where its body has them: `error_code` and `error_msg`, or `error` with `code`."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    inner = document.get("error")
    inner = inner if isinstance(inner, dict) else {}
    code = document.get("error_code") or inner.get("code")
    text = document.get("error_msg") or inner.get("message")
    words = " ".join(str(one) for one in (code, text) if one)
    return f" ({visible(redact(words))[:_WORDS_CHARS_MAX]})" if words else ""


def _clock_off(answer: Answer) -> str:
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
        off = (answer.now - theirs).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return ""
    if abs(off) <= CLOCK_OFF_SECONDS_MAX:
        return ""
    return f"This machine's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the vendor's, which makes every signature wrong. "
