"""Reads YAML without its traps: no aliases, merge keys, tags, duplicate keys; every node keeps its line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from gateway.config.document.diagnostics import PROBLEMS_SHOWN_MAX, ConfigError, Diagnostic
from gateway.config.document.nodes import Items, Scalar, Table, YamlNode, shown_key

DOCUMENT_BYTES_MAX: Final = 1024 * 1024  # bytes
DOCUMENT_DEPTH_MAX: Final = 32
KEY_CHARS_MAX: Final = 256
_COLON_ALONE: Final = re.compile(r"\s*(- +)?[A-Za-z_][\w-]*:[^\s/]")  # `type:console`
_LOADER: Final[type[yaml.SafeLoader]] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # libyaml is six times faster where it is there


def compose(source: bytes, file: str) -> YamlNode:
    """The one document in these bytes; an empty one is an empty table. Raises ConfigError with located problems."""
    return _Composer(file).compose(_decode(source, file))


def compose_despite(source: bytes, file: str) -> tuple[Table, ConfigError | None, str | None]:
    """The top of the document as far as it can be read, what is wrong with it, and the entry in which reading ended (empty:
    none; None: it was read to its end)."""
    composer = _Composer(file)
    error = None
    try:
        composer.compose(_decode(source, file))
    except ConfigError as mistaken:
        error = mistaken
    root = composer.root or Table(file=file, line=1, column=1)
    if isinstance(root, Table):
        return root, error, composer.begun
    wrong = Diagnostic(file=file, line=1, column=1, found="no mapping", expected="a mapping: version, sources, …")
    return Table(file=file, line=1, column=1), error or ConfigError([wrong]), ""


def _decode(source: bytes, file: str) -> str:
    if len(source) > DOCUMENT_BYTES_MAX:
        raise ConfigError([Diagnostic(file=file, found="a file of more than 1 MiB", expected="at most 1 MiB")])
    wide = source.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in source[:4]
    try:
        if not wide:
            return source.decode("utf-8-sig")
        start = 0
    except UnicodeDecodeError as error:
        start = error.start
    wrong = Diagnostic(
        file=file,
        line=source.count(b"\n", 0, start) + 1,
        column=start - source.rfind(b"\n", 0, start),
        found="bytes that are not UTF-8",
        expected="UTF-8 text",
        hint="they look like UTF-16, which some editors and shells write; save the file as UTF-8" if wide else "",
    )
    raise ConfigError([wrong])


class _Composer:
    """Builds nodes from the parser's events with a stack of its own, because a recursive one can be made to overflow."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[Diagnostic] = []
        self._open: list[Items | Table] = []
        self._keys: list[Scalar | None] = []  # the key that waits for its value, for each open table
        self._root: YamlNode | None = None

    @property
    def root(self) -> YamlNode | None:
        """What was built so far."""
        return self._root

    @property
    def begun(self) -> str | None:
        """The entry at the top that was begun and not read to its end; empty: none of them; None: nothing is open."""
        if not self._open:
            return None
        key = self._keys[0]
        return key.text if key is not None else self._open[1].path if len(self._open) > 1 else ""

    def compose(self, text: str) -> YamlNode:
        documents = 0
        for event in self._events(text):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._raise_mistake(event, found="a second document (---)", expected="one document")
                    break
            elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent, yaml.CollectionStartEvent)):
                self._open_node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._open.pop()
                self._keys.pop()
            if len(self._problems) > PROBLEMS_SHOWN_MAX:
                break
        if self._problems:
            raise ConfigError(self._problems)
        if self._root is None or (isinstance(self._root, Scalar) and self._root.null):
            return Table(file=self._file, line=1, column=1)
        return self._root

    def _events(self, text: str) -> Iterator[object]:
        try:
            yield from yaml.parse(text, Loader=_LOADER)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise ConfigError(
                [
                    *self._problems,
                    Diagnostic(
                        file=self._file,
                        line=line,
                        column=error.position - text.rfind("\n", 0, error.position),
                        found="a character that YAML does not allow (a NUL or another control character)",
                        expected="printable text",
                    ),
                ]
            ) from None
        except yaml.MarkedYAMLError as error:
            raise ConfigError([*self._problems, self._syntax(error, text)]) from None
        except (yaml.YAMLError, ValueError, RecursionError):
            raise ConfigError(
                [
                    *self._problems,
                    Diagnostic(file=self._file, line=1, column=1, found="text that is not YAML", expected="YAML"),
                ]
            ) from None

    def _syntax(self, error: yaml.MarkedYAMLError, text: str) -> Diagnostic:
        mark = error.problem_mark or error.context_mark
        line = mark.line if mark else 0
        lines = text.split("\n")
        there = lines[min(line, len(lines) - 1)]
        problem = str(error.problem or error.context or "")
        if "\t" in there[: len(there) - len(there.lstrip())]:
            hint = "YAML is indented with spaces; this line begins with a tab"
        elif "${" in there:
            hint = 'put quotes around a ${…} that stands inside [ ] or { }: ["${NAME}"]'
        elif "$." in there and "[" in there:
            hint = 'put quotes around a path that stands inside [ ] or { }: ["$.data.files[*].download_url"]'
        elif _misaligned(lines, min(line, len(lines) - 1)) or "block" in str(error.context or ""):
            hint = (
                f"look at the indentation: this line begins in column {len(there) - len(there.lstrip()) + 1}, and keys of one "
                "mapping begin in the same column, those inside it further right"
            )
        elif (
            "mapping values" in problem and line and _COLON_ALONE.match(lines[line - 1]) and ": " not in lines[line - 1]
        ):
            hint = f"a colon ends a key only with a blank behind it: line {line} has none"
        elif "mapping values" in problem:
            hint = 'put quotes around a text that holds ": "'
        else:
            hint = "look at the indentation, the quotes and the brackets of this line and the one before"
        return Diagnostic(
            file=self._file,
            line=line + 1,
            column=mark.column + 1 if mark else 1,
            found=f"not YAML: {problem}",
            hint=hint,
        )

    # -- nodes

    def _open_node(self, event: object) -> None:
        self._check(event)
        inside = self._open[-1] if self._open else None
        if isinstance(inside, Table) and self._keys[-1] is None:
            self._key(event)
            return
        node = self._node(event)
        if inside is None:
            self._root = node
        elif isinstance(inside, Items):
            node.path = inside.below(len(inside.items))
            inside.items.append(node)
        else:
            key = self._keys[-1]
            assert key is not None
            self._keys[-1] = None
            node.path = inside.below(key.text)
            inside.entries.setdefault(key.text, node)
            inside.keys.setdefault(key.text, (key.line, key.column))
        if not isinstance(node, Scalar):
            if len(self._open) >= DOCUMENT_DEPTH_MAX:
                self._raise_mistake(
                    event,
                    found=f"nesting deeper than {DOCUMENT_DEPTH_MAX}",
                    expected=f"at most {DOCUMENT_DEPTH_MAX} levels",
                )
                raise ConfigError(self._problems)
            assert isinstance(node, (Items, Table))
            self._open.append(node)
            self._keys.append(None)

    def _node(self, event: Any) -> YamlNode:
        place = {"file": self._file, "line": event.start_mark.line + 1, "column": event.start_mark.column + 1}
        if isinstance(event, yaml.SequenceStartEvent):
            return Items(**place)
        if isinstance(event, yaml.MappingStartEvent):
            return Table(**place)
        if isinstance(event, yaml.AliasEvent):
            return Scalar(text="", **place)
        return Scalar(text=event.value, quoted=not event.implicit[0], **place)

    def _key(self, event: object) -> None:
        table = self._open[-1]
        assert isinstance(table, Table)
        if not isinstance(event, yaml.ScalarEvent):
            self._raise_mistake(event, found="a key that is a list or a mapping", expected="a key that is a plain word")
            raise ConfigError(self._problems)
        key = self._node(event)
        assert isinstance(key, Scalar)
        self._keys[-1] = key
        if key.text == "<<" and key.plain:
            self._raise_mistake(
                event,
                found="a merge key (<<)",
                expected="plain keys",
                hint="write the keys out; merging is not supported",
            )
        elif key.text in table.entries:
            first, _ = table.keys[key.text]
            self._raise_mistake(
                event,
                found=f"the key {shown_key(key.text)} a second time",
                expected="each key once",
                hint=f"the first one is in line {first}",
                path=table.below(shown_key(key.text)),
            )
        elif not key.text or len(key.text) > KEY_CHARS_MAX:
            self._raise_mistake(
                event, found="an empty or very long key", expected=f"a key of 1 to {KEY_CHARS_MAX} characters"
            )

    def _check(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._raise_mistake(event, found="an alias (*name)", expected="the value itself", hint=_NO_ANCHORS)
            return
        if event.anchor is not None:
            self._raise_mistake(event, found="an anchor (&name)", expected="a plain value", hint=_NO_ANCHORS)
        if event.tag is not None:
            self._raise_mistake(
                event,
                found="a tag (!name)",
                expected="a plain value",
                hint="quote a text that begins with an exclamation mark",
            )
        if isinstance(event, yaml.ScalarEvent) and _unstorable(event.value):
            self._raise_mistake(
                event, found="a text with a NUL or half a surrogate pair", expected="Unicode text without NUL"
            )

    def _raise_mistake(self, event: Any, *, found: str, expected: str, hint: str = "", path: str | None = None) -> None:
        if path is None:
            inside = self._open[-1] if self._open else None
            path = inside.path if inside else ""
        mark = event.start_mark
        self._problems.append(
            Diagnostic(
                file=self._file,
                line=mark.line + 1,
                column=mark.column + 1,
                path=path,
                found=found,
                expected=expected,
                hint=hint,
            )
        )


_NO_ANCHORS: Final = (
    "anchors and aliases are not supported, on purpose: a few lines of them can fill the memory; repeat the value"
)


def _misaligned(lines: list[str], at: int) -> bool:
    """Whether a line is further right than the `key: value` before it, under which nothing can stand."""
    before = next((line for line in reversed(lines[:at]) if line.strip() and not line.lstrip().startswith("#")), "")
    key, colon, value = before.partition(": ")
    indent = len(before) - len(before.lstrip())
    deeper = len(lines[at]) - len(lines[at].lstrip()) > indent
    return bool(colon and value.strip() and not key.strip().startswith(("-", '"', "'")) and deeper)


def _unstorable(text: str) -> bool:
    return "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text)
