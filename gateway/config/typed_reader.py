"""Reads nodes by the type of their field: text gets the source text, a number a number, whoever wrote the model."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.annotations import (
    LISTS,
    TABLES,
    before_validators,
    fields_by_key,
    holds_secret,
    is_model,
    is_union,
    leaves_of,
    metadata_of,
    origin_of,
    reads_first,
    unwrapped,
)
from gateway.config.document.diagnostics import PROBLEMS_SHOWN_MAX, Diagnostic, near
from gateway.config.document.nodes import (
    Items,
    Scalar,
    Table,
    YamlNode,
    integer,
    key_advice,
    real,
    scalars,
    shown_key,
    truth,
    untyped,
)
from gateway.config.document.placeholders import stand_in
from gateway.config.grammar.delivery import DeliverySettings
from gateway.config.grammar.routes import MatchSettings
from gateway.text.secret import Secret

_OF_A_SECTION: Final = {
    "match": frozenset(MatchSettings.model_fields),
    "delivery": frozenset(DeliverySettings.model_fields),
}
"""Keys that people write beside these two and not below them."""


class _Unreadable:
    """Stands for a text that is no number or truth value, so that pydantic refuses it however lenient it is."""


UNREADABLE: Final = _Unreadable()


class TypedReader(msgspec.Struct):
    """Turns nodes into what pydantic validates; unknown keys become `problems`, whatever the model says about them."""

    problems: list[Diagnostic] = msgspec.field(default_factory=list)
    empty: list[tuple[YamlNode, str]] = msgspec.field(
        default_factory=list
    )  # written down without a value, and what is expected

    def model(
        self, table: Table, model: type[BaseModel], *, others: Collection[str] = (), skip: Collection[str] = ()
    ) -> dict[str, object]:
        """The fields of a model. `others` are keys that somebody else reads (known, left out); `skip` likewise, unseen."""
        known = fields_by_key(model)
        lenient = model.model_config.get("extra") == "allow"
        values: dict[str, object] = {}
        for key, node in table.entries.items():
            if key in others or key in skip:
                continue
            if key in known:
                name, info = known[key]
                self._look_for_nothing(node, info)
                values[key] = self.value(node, info.annotation, (*info.metadata, *before_validators(model, name)))
            elif lenient:
                _hide(node)
                values[key] = untyped(node)
            else:
                _hide(node)
                if len(self.problems) < PROBLEMS_SHOWN_MAX:  # because looking for a near miss takes time
                    self._unknown(table, key, [*others, *known])
        return values

    def _look_for_nothing(self, node: YamlNode, info: FieldInfo) -> None:
        """Note what a person wrote down empty, because it is meant to be something, and would be taken for the default.

        Not where the field is free-form, says that nothing is a value (`MAY_BE_EMPTY`), or has an empty text as default.
        """
        annotation, metadata = unwrapped(info.annotation, info.metadata)
        leaves = set(leaves_of(annotation))
        may_be = any(getattr(one, "may_be_empty", False) for one in metadata_of(annotation, metadata))
        if Any in leaves or object in leaves or any(hasattr(one, "read_node") for one in metadata):
            return
        if isinstance(node, Scalar) and node.null:
            if not (may_be and node.text):
                self.empty.append((node, "a value"))
        elif may_be or holds_secret(annotation):  # a secret says itself what it must be
            return
        elif isinstance(node, Items):
            some = next((one.not_empty for one in metadata_of(annotation, metadata) if hasattr(one, "not_empty")), "")
            if some and not node.items:
                self.empty.append((node, some))
            said = (item for item in node.items if isinstance(item, Scalar))
            self.empty += [(item, "a value") for item in said if _says_nothing(item)]
        elif isinstance(node, Scalar) and _says_nothing(node) and info.default != "" and not _may_be_none(node, leaves):
            self.empty.append((node, "a value"))

    def _unknown(self, table: Table, key: str, known: Sequence[str]) -> None:
        shown, hint = shown_key(key), near(key, known)
        section = next((name for name in _OF_A_SECTION if name in known and key in _OF_A_SECTION[name]), None)
        if section is not None:
            hint = f"did you mean {table.below(section)}.{shown}? It stands below `{section}`, further right"
        self.problems.append(
            Diagnostic(
                file=table.file,
                line=table.key(key).line,
                column=table.key(key).column,
                path=table.below(shown),
                found="an unknown key",
                expected="one of " + ", ".join(known),
                hint=key_advice(key) or (hint if hint.startswith("did") else ""),
            )
        )

    def value(self, node: YamlNode, annotation: object, metadata: Sequence[object] = ()) -> object:
        """One value, as the annotation wants it."""
        annotation, metadata = unwrapped(annotation, metadata)
        for one in metadata:
            if hasattr(one, "read_node"):
                return one.read_node(node)
        if isinstance(node, Scalar):
            secret = holds_secret(annotation)
            node.secret = node.secret or secret
            node.shown = not secret and annotation is not Any and all(getattr(one, "shown", True) for one in metadata)
            return self._scalar(node, annotation, metadata)
        if is_union(annotation):
            return self.value(node, self._branch(node, get_args(annotation)), metadata)
        if isinstance(node, Table):
            return self._table(node, annotation)
        assert isinstance(node, Items)
        return self._items(node, annotation)

    def _table(self, node: Table, annotation: object) -> object:
        origin = get_origin(annotation) or annotation
        if is_model(annotation):
            return self.model(node, annotation)
        if origin in TABLES:
            _, values = (*get_args(annotation), Any, Any)[:2]
            return {key: self.value(entry, values) for key, entry in node.entries.items()}
        if origin in LISTS and hasattr(unwrapped((*get_args(annotation), object)[0])[0], "parts"):
            return [self.value(node, get_args(annotation)[0])]  # one stands for a list, as one text does
        parts = getattr(annotation, "parts", None)
        if isinstance(parts, Mapping):  # a text that may also be written as a table of these
            return {key: self.value(entry, parts.get(key, Secret)) for key, entry in node.entries.items()}
        if holds_secret(annotation) or annotation is Any:
            _hide(node)
        return untyped(node)

    def _items(self, node: Items, annotation: object) -> object:
        arguments = get_args(annotation)
        if (get_origin(annotation) or annotation) not in LISTS:
            if holds_secret(annotation) or annotation is Any:
                _hide(node)
            return untyped(node)
        if get_origin(annotation) is tuple and Ellipsis not in arguments:
            kinds = [*arguments, *[Any] * len(node.items)]
            return [self.value(item, kind) for item, kind in zip(node.items, kinds, strict=False)]
        return [self.value(item, arguments[0] if arguments else Any) for item in node.items]

    def _branch(self, node: YamlNode, branches: Sequence[object]) -> object:
        """The branch of a union that a list or table is meant for."""
        tables = isinstance(node, Table)
        fitting = [
            branch
            for branch in branches
            if (is_model(unwrapped(branch)[0]) or origin_of(branch) in TABLES if tables else origin_of(branch) in LISTS)
        ]
        if isinstance(node, Table) and len(fitting) > 1:
            best = max(fitting, key=lambda branch: _fit(node, unwrapped(branch)[0]))
            others = [unwrapped(branch)[0] for branch in fitting if branch is not best]
            node.refused = tuple(other.__name__ for other in others if is_model(other))
            return best
        if fitting:
            return fitting[0]
        # because none fits, pydantic gets the plain value, and says what it wanted
        if any(holds_secret(branch) for branch in branches):
            _hide(node)
        return Any

    # -- scalars

    def _scalar(self, node: Scalar, annotation: object, metadata: Sequence[object]) -> object:
        if node.placeholder:
            return stand_in(node, annotation, metadata)
        leaves = list(leaves_of(annotation))
        if node.null:
            return None
        if _may_be_none(node, leaves):
            return None
        if any(getattr(one, "reads_text", False) for one in metadata_of(annotation, metadata)):
            return node.text
        for leaf in leaves:  # a literal is the most exact reading there is
            if get_origin(leaf) is Literal:
                for option in get_args(leaf):
                    if option == node.text or (not isinstance(option, str) and option == _number(node.text)):
                        return option
        if annotation is Any or object in leaves:
            return untyped(node)
        if not node.plain and str in leaves:
            return node.text
        for kind, reading in ((bool, truth), (int, integer), (float, real)):
            if kind in leaves and (value := reading(node.text)) is not None:
                return value
        if float in leaves and (whole := integer(node.text)) is not None:
            return whole
        return self._rest(node, leaves, metadata)

    def _rest(self, node: Scalar, leaves: Sequence[object], metadata: Sequence[object]) -> object:
        for leaf in leaves:
            if isinstance(leaf, type) and issubclass(leaf, enum.Enum):
                for member in leaf:
                    if member.value == node.text or member.value == _number(node.text):
                        return member.value
        if {bool, int, float} & set(leaves) and not reads_first(metadata):
            others = [leaf for leaf in leaves if leaf not in {bool, int, float, type(None)}]
            if not others:
                return UNREADABLE
        return node.text


def _may_be_none(node: Scalar, leaves: Collection[object]) -> bool:
    """Whether `${NAME:-}` came out empty for one value that may be missing; of a text or a list nobody knows what it means."""
    holds_more = any(origin_of(leaf) in (*LISTS, *TABLES) for leaf in leaves)
    return node.optional and type(None) in leaves and not holds_more and not {str, Secret, Any} & set(leaves)


def _says_nothing(node: Scalar) -> bool:
    """A text of no character, written so or from a variable that is empty."""
    return not node.text.strip() and not node.null and not node.placeholder


def _fit(table: Table, annotation: object) -> int:
    """How well a table fits one branch of a union: a literal that agrees (a tag) counts more than any number of keys."""
    if not is_model(annotation):
        return 0
    score = 0
    for key, (_, info) in fields_by_key(annotation).items():
        node = table.entries.get(key)
        if node is None:
            score -= info.is_required()
            continue
        score += 1
        if get_origin(info.annotation) is Literal and isinstance(node, Scalar):
            score += 1000 if node.text in {str(option) for option in get_args(info.annotation)} else -1000
    return score


def _hide(node: YamlNode) -> None:
    for scalar in scalars(node):
        scalar.secret = True


def _number(text: str) -> object:
    value = truth(text)
    return value if value is not None else integer(text)
