"""One redactor for the whole process: no secret and no signed URL leaves in a log, an attempt or an error text."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from gateway.text.common_words import COMMON_WORDS
from gateway.text.escaping import html_escaped

MASK: Final = "********"  # what stands where a secret was
SECRET_CHARS_MIN: Final = 6  # because replacing shorter texts would shred every line, and they protect nothing
_SEGMENT_CHARS_MIN: Final = 16  # the least length of a word, or of a URL's path segment, that is taken for a token
_DEPTH_MAX: Final = 8
PASSING_SECRETS_MAX: Final = 64  # because a gateway that runs for a year fetches thousands of tokens
_COMPARED_FORMS_MAX: Final = 256  # spellings that are compared with each other, each time one is learnt

# Both also as they look inside JSON text: `\/` for a slash, `\u0026` for an ampersand.
_SLASH: Final = r"(?:\\?/)"
_QUOTE: Final = r"'(?=[\w%=&+.-])"  # a quote may be part of a URL, but at a text's end it closes one
_URL: Final = re.compile(
    rf"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]{{0,31}}:{_SLASH}{{2}})"
    r"(?P<user>[^\s\"'<>/?#@\\]*@(?:[^\s\"'<>/?#@\\]*@)*)?"
    rf"(?P<place>(?:{_SLASH}|[^\s\"'<>?#\\])*)"
    rf"(?P<query>\?(?:\\u[0-9a-fA-F]{{4}}|\\/|[^\s\"'<>#\\]|{_QUOTE})*)?"
    rf"(?P<fragment>#(?:\\u[0-9a-fA-F]{{4}}|\\/|[^\s\"'<>\\]|{_QUOTE})*)?"
)
_AMPERSAND: Final = re.compile(r"(&amp;|\\u0026|[&;])")
# What was added to a secret URL for one request, such as the signature of a chat's robot.
_ADDED: Final = re.compile(
    rf"(?<={re.escape(MASK)})(?:(?:&amp;|\\u0026|&)[\w.~%\[\]-]{{1,64}}=(?:\\/|[^\s\"'<>#&\\])*)+"
)
_NAMED: Final = re.compile(r"[\w.~%\[\]-]{1,64}=")
_PREFIXES: Final = ("demo-", "whsec_")


# A token that is a common word would shred every line, and show itself by that: it is masked only where it stands as a
# secret, such as `token=word`, `"password": "word"`, `Bearer word`.
_NAMED_WORD: Final = (
    r"(?P<name>(?i:bearer|basic|token|secret|password|passwd|passphrase|pass|key|credentials?|authorization|auth)"
    r"[\"']?\s{{0,2}}[:=]?\s{{0,2}}[\"']?)(?:{words})(?![A-Za-z0-9_])"
)


class Redactor:
    """Knows secrets in every spelling they are likely to come back in, and masks them and whatever URLs carry."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        self._least: tuple[str, ...] = ()  # those that hold no other one: where none of them stands, none stands
        self._words: re.Pattern[str] | None = (
            None  # secrets that are words of everyday texts, where they stand as secrets
        )
        self._known: set[str] = set()
        self._passing: deque[set[str]] = deque(maxlen=PASSING_SECRETS_MAX)
        self._lock = threading.Lock()

    def learn(self, secret: str) -> None:
        """Mask this text from now on, also URL-encoded, in base64 and escaped for JSON or HTML.

        Of a URL the parts that can be secret are learnt one by one as well. Texts under six characters are ignored.
        """
        with self._lock:
            known = self._known.union(*map(_spellings, _parts(secret)))
            if known != self._known:
                self._known = known
                self._look_for()

    def learn_passing(self, secret: str) -> None:
        """`learn` for what is good for a while, such as a fetched token: the last 64 of them are known."""
        with self._lock:
            forms = set[str]().union(*map(_spellings, _parts(secret)))
            if forms and forms not in self._passing:
                self._passing.append(forms)
                self._look_for()

    def _look_for(self) -> None:
        known = self._known.union(*self._passing)
        words = {form for form in known if form.lower() in COMMON_WORDS}
        self._forms = tuple(sorted(known - words, key=lambda form: (-len(form), form)))
        self._least = _without_longer(self._forms)
        named = _NAMED_WORD.format(words="|".join(sorted(words)))
        self._words = re.compile(named) if words else None

    def redact(self, text: str) -> str:
        """The text with every known secret, URL query value, fragment and user-info masked. Never raises."""
        for least in self._least:
            if least in text:
                text = self._mask_forms(text)
                break
        if self._words is not None:
            text = self._words.sub(rf"\g<name>{MASK}", text)
        if MASK in text:
            text = _ADDED.sub(_mask_added, text)
        if ":" in text and ("?" in text or "@" in text or "#" in text):
            text = _URL.sub(_mask_url, text)
        return text

    def _mask_forms(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def redact_start(self, text: str, limit: int) -> str:
        """The first `limit` characters, masked. What lies behind is not looked at, and no half of a secret stays at the cut."""
        if len(text) <= limit:
            return self.redact(text)
        cut = text[:limit]
        torn = max((self._torn(cut, form) for form in self._forms), default=0)
        return self.redact(cut[: limit - torn])

    @staticmethod
    def _torn(cut: str, form: str) -> int:
        """How many characters at the end of `cut` may be the beginning of this secret."""
        end = cut[-(len(form) - 1) :]
        at = end.find(form[0])
        while at >= 0:
            if form.startswith(end[at:]):
                return len(end) - at
            at = end.find(form[0], at + 1)
        return 0


def _without_longer(forms: Sequence[str]) -> tuple[str, ...]:
    """The forms that hold no other form; all of them where they are so many that asking would take long."""
    if len(forms) > _COMPARED_FORMS_MAX:
        return tuple(forms)
    least: list[str] = []
    for form in sorted(forms, key=len):
        if not any(shorter in form for shorter in least):
            least.append(form)
    return tuple(least)


def _parts(secret: str) -> set[str]:
    """The secret, the same without our prefixes, and, of a URL, what in it is worth hiding."""
    parts = {secret}
    bare = secret
    for prefix in _PREFIXES:
        bare = bare.removeprefix(prefix)
    parts |= {
        bare,
        *(word for word in secret.split() if len(word) >= _SEGMENT_CHARS_MIN),
    }  # the token of "Bearer token"
    if "://" in secret:
        try:
            url = urlsplit(secret)
            parts |= {url.username or "", url.password or "", url.fragment}
        except ValueError:
            return parts
        parts |= {segment for segment in url.path.split("/") if len(segment) >= _SEGMENT_CHARS_MIN}
        parts |= {value for _, value in parse_qsl(url.query)}
        parts.add(f"{url.path}?{url.query}" if url.query else url.path)
    return {part.strip() for part in parts if len(part.strip()) >= SECRET_CHARS_MIN}


def _spellings(secret: str) -> set[str]:
    encoded = quote(secret, safe="", errors="replace")
    data = secret.encode("utf-8", "surrogatepass")
    spellings = {
        secret,
        unquote(secret),
        encoded,
        re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encoded),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        html_escaped(secret),
        repr(secret)[1:-1],
    }
    for offset in range(3):  # because base64 of "user:secret" holds the secret at one of three alignments
        whole = base64.b64encode(b"\0" * offset + data).decode()
        # Cut the characters that the neighbours share bits with.
        inner = whole[(0, 2, 3)[offset] : len(whole.rstrip("=")) - (1 if whole.endswith("=") else 0)]
        spellings |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {spelling for spelling in spellings if len(spelling) >= SECRET_CHARS_MIN}


def _mask_url(url: re.Match[str]) -> str:
    user, query, fragment = url["user"], url["query"], url["fragment"]
    if not (user or query or fragment):
        return url[0]
    return "".join(
        (
            url["scheme"],
            f"{MASK}@" if user else "",
            url["place"],
            _mask_query(query) if query else "",
            f"#{MASK}" if fragment else "",
        )
    )


def _mask_added(found: re.Match[str]) -> str:
    return _mask_query("?" + found[0])[1:]


def _mask_query(query: str) -> str:
    pieces = _AMPERSAND.split(query[1:])
    for at in range(0, len(pieces), 2):  # the odd ones are the separators
        if pieces[at]:
            named = _NAMED.match(pieces[at])
            pieces[at] = (named[0] if named else "") + MASK
    return "?" + "".join(pieces)


_process: Final = Redactor()  # one a process, because a text may hold the secret of any part of it
_within: Final[ContextVar[Redactor | None]] = ContextVar("within", default=None)


@contextmanager
def masked_within(redactor: Redactor) -> Iterator[None]:
    """Mask what this one knows too, wherever this task and those that it starts write something; what is learnt meanwhile it
    keeps to itself. For secrets of which there are too many to look for all of them in every line."""
    token = _within.set(redactor)
    try:
        yield
    finally:
        _within.reset(token)


def masks_more() -> bool:
    """Whether this task masks what others do not know."""
    return _within.get() is not None


def learn_secret(secret: str) -> None:
    """Mask this text everywhere from now on. See Redactor.learn."""
    (_within.get() or _process).learn(secret)


def learn_passing_secret(secret: str) -> None:
    """Mask this short-lived text everywhere for now. See Redactor.learn_passing."""
    _process.learn_passing(secret)


def redact(text: str) -> str:
    """The text without secrets. See Redactor.redact."""
    own = _within.get()
    return _process.redact(text if own is None else own.redact(text))


def redact_start(text: str, limit: int) -> str:
    """The first `limit` characters without secrets, and without half of one. See Redactor.redact_start."""
    own = _within.get()
    return _process.redact_start(text if own is None else own.redact_start(text, limit), limit)


def redact_event(_logger: object, _name: str, event_dict: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """A structlog processor: redacts every text in the event. Place it after the one that formats exceptions."""
    texts = _plain_texts(event_dict)
    if texts is not None:
        # Looked at together first, because nearly every line hides nothing and asking once instead of for each value
        # takes 1 µs instead of 3. No known form spans a line break that it does not hold itself, and no URL does: what is
        # unchanged here would be unchanged one by one.
        together = "\n".join(texts)
        if redact(together) == together:
            return event_dict
    for key, value in event_dict.items():
        event_dict[key] = _redact_value(value, _DEPTH_MAX)
    return event_dict


def _plain_texts(event_dict: Mapping[str, Any]) -> list[str] | None:
    """Every text in the event; None where there is something that first has to become text, or is nested."""
    texts: list[str] = []
    for value in event_dict.values():
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is list and all(type(item) is str for item in value):
            texts += value
        elif value is not None and kind is not bool and kind is not int and kind is not float:
            return None
    return texts


def _redact_value(value: object, depth: int) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return redact(value)
    if depth and isinstance(value, Mapping):
        return {_redact_value(key, 0): _redact_value(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [_redact_value(item, depth - 1) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return redact(bytes(value).decode("utf-8", "backslashreplace"))
    return redact(str(value))
