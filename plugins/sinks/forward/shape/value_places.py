"""Where in a template's text a value stands, found out before it ever runs, and which encoding belongs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from jinja2 import nodes

from plugins.sinks.cards.sandbox import Encoder
from plugins.sinks.cards.text import Invalid


class TextGrammar(Protocol):
    """What a text is: in which state each piece of it leaves a reader, and how a value is written in that state."""

    start: ClassVar[str]
    encoders: ClassVar[Mapping[str, Encoder]]

    def after(self, state: str, text: str, line: int) -> str:
        """The state behind this piece of the template's own text. Raises Invalid."""

    def encoder(self, state: str, line: int) -> str:
        """Which of `encoders` writes a value here. Raises Invalid where none may stand."""

    def finish(self, state: str) -> None:
        """Raises Invalid where the text cannot end in this state."""

    def check(self, text: str) -> str:
        """The rendered text, as it is sent. Raises Invalid where it is not well-formed."""


def place(tree: nodes.Template, grammar: TextGrammar) -> None:
    """Put an encoder around every value that is written. Raises Invalid where two ways through an `if` or a `for` would
    leave what follows in different places, because then nobody could say how to encode it."""
    grammar.finish(_block(tree.body, grammar.start, grammar))


def _block(body: Sequence[nodes.Node], state: str, grammar: TextGrammar) -> str:
    for node in body:
        if isinstance(node, nodes.Output):
            state = _output(node, state, grammar)
        elif isinstance(node, nodes.If):
            ways = [node.body, *(other.body for other in node.elif_), node.else_]
            state = _joined([_block(way, state, grammar) for way in ways], node)
        else:  # nothing else stands in a block: what the room does not know was refused before
            assert isinstance(node, nodes.For)
            state = _joined([state, *(_block(way, state, grammar) for way in (node.body, node.else_))], node)
    return state


def _output(node: nodes.Output, state: str, grammar: TextGrammar) -> str:
    for at, child in enumerate(node.nodes):
        if isinstance(child, nodes.TemplateData):
            state = grammar.after(state, child.data, child.lineno)
        else:
            name = grammar.encoder(state, child.lineno)
            node.nodes[at] = nodes.Filter(child, name, [], [], None, None, lineno=child.lineno)
    return state


def _joined(states: Sequence[str], node: nodes.Node) -> str:
    if len(set(states)) > 1:
        word = "if" if isinstance(node, nodes.If) else "for"
        raise Invalid(
            f"line {node.lineno}: the ways through this {word} end in different places, such as inside and outside of "
            "quotes; let each of them be whole"
        )
    return states[0]
