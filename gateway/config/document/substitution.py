"""Puts environment variables and files into scalar values: once, after parsing, never recursively."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.config.document.diagnostics import Diagnostic, near
from gateway.config.document.nodes import Scalar, YamlNode, scalars
from gateway.text.file_trouble import file_trouble
from gateway.text.regular_file import HOW_TO_CLOSE, NotRegular, exposed_to_others, open_regular

SECRET_FILE_BYTES_MAX: Final = 64 * 1024  # bytes
PLACEHOLDER: Final = "placeholder"
_FORM: Final = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
_NAME: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<kind>[-?])(?P<rest>.*))?", re.S)
_FORMS: Final = "${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}; write $${ for a literal ${"


class Missing(Exception):
    """This form has no value; `found` and `hint` say why, and hold no value."""

    def __init__(self, found: str, expected: str, hint: str = "", *, elsewhere: bool = False) -> None:
        super().__init__(found)
        self.found, self.expected, self.hint = found, expected, hint
        self.elsewhere = elsewhere  # it may well be there in production: `check --no-secrets` goes on without


class Substitution(msgspec.Struct):
    """One pass over a file's scalars; gathers `problems` and `warnings`."""

    environ: Mapping[str, str]
    base: Path
    placeholders: bool = False
    problems: list[Diagnostic] = msgspec.field(default_factory=list)
    warnings: list[Diagnostic] = msgspec.field(default_factory=list)

    def substitute(self, root: YamlNode) -> None:
        """Replace the text of every scalar that holds a form."""
        for scalar in scalars(root):
            if "${" in scalar.text:
                self._replace(scalar)

    def _replace(self, scalar: Scalar) -> None:
        source, done, at = scalar.text, [], 0
        names: list[str] = []
        optional = True
        for match in _FORM.finditer(source):
            done.append(source[at : match.start()])
            at = match.end()
            if match[0] == "$${":
                done.append("${")
                optional = False
                continue
            try:
                name, value, may_be_empty = self._value(match["inside"], bool(match["end"]), scalar)
            except Missing as missing:
                if not (self.placeholders and missing.elsewhere):
                    self.problems.append(
                        scalar.problem(found=missing.found, expected=missing.expected, hint=missing.hint)
                    )
                # even after a problem, because the field must not be blamed as well for what was not there
                scalar.placeholder = True
                name, value, may_be_empty = "${…}", PLACEHOLDER, False
            names.append(name)
            optional = optional and may_be_empty
            done.append(value)
        done.append(source[at:])
        scalar.text = "".join(done)
        # because a text that only escapes a brace holds nothing from outside
        scalar.names = tuple(dict.fromkeys(names))
        scalar.quoted = True
        scalar.substituted = bool(names)
        scalar.optional = bool(names) and optional and not scalar.text

    def _value(self, inside: str, ended: bool, scalar: Scalar) -> tuple[str, str, bool]:
        """The form's name, its value, and whether `${NAME:-}` lets it be empty."""
        if inside.startswith("file:") and inside[5:6] not in {"-", "?"} and ended:
            return f"${{{_short(inside)}}}", self._from_file(inside[5:], scalar), False
        match = _NAME.fullmatch(inside)
        if match is None or not ended or "${" in inside:
            raise Missing("a ${…} that cannot be read", f"one of the forms {_FORMS}")
        name, kind, rest = match["name"], match["kind"], match["rest"]
        value = self.environ.get(name)
        if value is not None and _unstorable(value):
            raise Missing(f"${{{name}}} with bytes that are not UTF-8", "text")
        if kind == "-":
            return f"${{{name}}}", value or rest, not rest
        if kind == "?":
            if not value:
                raise Missing(f"${{{name}}} unset or empty: {rest or 'it is needed'}", "a value", elsewhere=True)
        elif value is None:
            hint = near(name, self.environ, likeness=0.75) if len(name) > 3 else ""
            raise Missing(
                f"${{{name}}}, which is not set",
                "a variable of the environment",
                (hint + " " if hint.startswith("did") else "")
                + f"set it where the gateway is started; a default is written ${{{name}:-default}}",
                elsewhere=True,
            )
        return f"${{{name}}}", value or "", False

    def _from_file(self, name: str, scalar: Scalar) -> str:
        path = self.base / name
        try:
            text, exposed = read_small(path)
        except Missing as missing:
            missing.found = f"${{file:{_short(name)}}}: {missing.found}"
            raise
        if exposed:
            self.warnings.append(
                scalar.problem(
                    found=f"the secret file {_short(name)} can be read by group or others",
                    hint=HOW_TO_CLOSE,
                )
            )
        return text


def read_small(path: Path) -> tuple[str, bool]:
    """The text of a regular file of at most 64 KiB, without one trailing newline, and whether too many may read it. Raises Missing."""
    expected = "a regular file of at most 64 KiB of UTF-8 text"
    try:
        with open_regular(path) as opened:
            exposed = exposed_to_others(opened)
            content = opened.read(SECRET_FILE_BYTES_MAX + 1)
    except NotRegular:
        raise Missing("not a regular file", expected) from None
    except OSError as error:
        raise Missing(f"it cannot be read: {file_trouble(path, error)}", expected, elsewhere=True) from None
    except ValueError:
        raise Missing("a path that cannot be one", expected) from None
    if len(content) > SECRET_FILE_BYTES_MAX:
        raise Missing("more than 64 KiB", expected)
    try:
        text = content.decode("utf-8-sig")  # because an editor's byte-order mark is no part of a key
    except UnicodeDecodeError:
        raise Missing("bytes that are not UTF-8", expected) from None
    if "\x00" in text:
        raise Missing("a NUL character in it", expected)
    ending = next((ending for ending in ("\r\n", "\n") if text.endswith(ending)), "")
    return text.removesuffix(ending), exposed


def _unstorable(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"
