"""The kinds of body that a template may make (JSON, XML, a form): how values are written in each, and what is well-formed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import ClassVar, Final, NoReturn
from urllib.parse import quote
from xml.parsers import expat

from jinja2.exceptions import SecurityError

from gateway import encode_json
from plugins.sinks.cards.sandbox import Encoder
from plugins.sinks.cards.text import Invalid
from plugins.sinks.forward.shape.value_places import TextGrammar

_XML_NEVER: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_XML_SPECIAL: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_OTHER_ENCODING: Final = re.compile(r"<\?xml[^>]*\sencoding\s*=\s*['\"](?!utf-8['\"])", re.IGNORECASE)
_FORM: Final = re.compile(
    r"(?:[A-Za-z0-9_.~*!'()$,:@/?;+-]|%[0-9A-Fa-f]{2})+=(?:[A-Za-z0-9_.~*!'()$,:@/?;+-]|%[0-9A-Fa-f]{2})*"
)
_LINE_BREAK: Final = re.compile(r"[ \t]*[\r\n]\s*")


def scalar(value: object) -> str:
    """As a value is written into a text. Raises SecurityError for a list and a mapping."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    what = "mapping" if isinstance(value, dict) else "list"
    raise SecurityError(f"a {what} cannot be written here; name one of its parts")


class JsonGrammar:
    """Inside of quotes a value is the inside of a text; elsewhere it is a JSON value of its own, quotes and all."""

    start: ClassVar[str] = "outside"
    encoders: ClassVar[Mapping[str, Encoder]] = {
        "_json_value": encode_json,
        "_json_inside": lambda value: encode_json(scalar(value))[1:-1],
    }

    def after(self, state: str, text: str, line: int) -> str:
        for letter in text:
            if state == "escape":
                state = "inside"
            elif letter == '"':
                state = "outside" if state == "inside" else "inside"
            elif letter == "\\" and state == "inside":
                state = "escape"
        return state

    def encoder(self, state: str, line: int) -> str:
        if state == "escape":
            raise Invalid(f"line {line}: a value cannot stand behind a backslash")
        return "_json_value" if state == "outside" else "_json_inside"

    def finish(self, state: str) -> None:
        if state != "outside":
            raise Invalid("it ends inside of a JSON text: a quote is missing")

    def check(self, text: str) -> str:
        """One JSON value, whose names are all different."""
        text = text.strip()
        try:
            json.loads(text, object_pairs_hook=_all_different, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            raise Invalid(
                f"what it makes is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
            ) from None
        except RecursionError:
            raise Invalid("what it makes is nested too deep") from None
        return text


def _all_different(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise Invalid("what it makes has one name twice in an object")


def _no_constant(name: str) -> NoReturn:
    raise Invalid(f"what it makes is no JSON: {name}")


class XmlGrammar:
    """A value stands in the text of an element or inside of an attribute's quotes, and nowhere else."""

    start: ClassVar[str] = "text"
    encoders: ClassVar[Mapping[str, Encoder]] = {
        "_xml": lambda value: _XML_NEVER.sub("\ufffd", scalar(value)).translate(_XML_SPECIAL)
    }
    _ENDS: ClassVar[Mapping[str, str]] = {"comment": "-->", "CDATA": "]]>", "instruction": "?>", '"': '"', "'": "'"}

    def after(self, state: str, text: str, line: int) -> str:
        at = 0
        while at < len(text):
            if state in self._ENDS:
                end = text.find(self._ENDS[state], at)
                if end < 0:
                    return state
                at = end + len(self._ENDS[state])
                state = "tag" if state in {'"', "'"} else "text"
            elif state == "text":
                at = text.find("<", at)
                if at < 0:
                    return state
                state, length = self._opened(text[at:], line)
                at += length
            else:
                letter = text[at]
                state = "text" if letter == ">" else letter if letter in "\"'" else state
                at += 1
        return state

    @staticmethod
    def _opened(text: str, line: int) -> tuple[str, int]:
        for begin, state in (("<!--", "comment"), ("<![CDATA[", "CDATA"), ("<?", "instruction")):
            if text.startswith(begin):
                return state, len(begin)
        if text.startswith("<!"):
            raise Invalid(f"line {line}: a document type, or a declaration cut in two, cannot be used")
        if len(text) == 1:
            raise Invalid(f"line {line}: a value or a block cannot stand right behind <")
        return "tag", 1

    def encoder(self, state: str, line: int) -> str:
        if state not in {"text", '"', "'"}:
            where = "a tag outside of quotes" if state == "tag" else f"a {state}"
            raise Invalid(f"line {line}: a value stands in {where}; it may stand in an element's text or in quotes")
        return "_xml"

    def finish(self, state: str) -> None:
        if state != "text":
            raise Invalid("it ends inside of a tag, a comment or quotes")

    def check(self, text: str) -> str:
        """One element with whatever is in it, of names that are bound to nothing outside."""
        text = text.strip()
        if _OTHER_ENCODING.match(text):
            raise Invalid("what it makes is sent in UTF-8, and says otherwise")
        try:
            expat.ParserCreate(namespace_separator=" ").Parse(text.encode(), True)
        except expat.ExpatError as error:
            why = expat.errors.messages.get(error.code, "a mistake")
            raise Invalid(f"what it makes is no XML: {why} at line {error.lineno}, column {error.offset}") from None
        return text


class FormGrammar:
    """`name=value&name=value`. Line breaks of the template, with the blanks around them, are no part of it."""

    start: ClassVar[str] = "form"
    encoders: ClassVar[Mapping[str, Encoder]] = {"_form": lambda value: quote(scalar(value), safe="", errors="replace")}

    def after(self, state: str, text: str, line: int) -> str:
        return state

    def encoder(self, state: str, line: int) -> str:
        return "_form"

    def finish(self, state: str) -> None:
        """It can end anywhere."""

    def check(self, text: str) -> str:
        """Pairs whose characters need no encoding any more."""
        text = _LINE_BREAK.sub("", text.strip())
        for number, pair in enumerate(text.split("&"), 1):
            if not _FORM.fullmatch(pair):
                raise Invalid(
                    f"what it makes is no form: pair {number} is not name=value in encoded characters (a space is %20)"
                )
        return text


GRAMMARS: Final[Mapping[str, TextGrammar]] = {"json": JsonGrammar(), "xml": XmlGrammar(), "form": FormGrammar()}
"""By kind of body."""
