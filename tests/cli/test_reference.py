"""docs/cli.md is what the program says."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from gateway.cli.root import COMMANDS, commands
from tests.cli.reference import MARK, PAGE, reference

TEXT = PAGE.read_text()


def test_the_reference_is_that_of_this_program() -> None:
    assert TEXT.partition(MARK)[1:] == (MARK, reference().removeprefix(MARK)), "run `python -m tests.cli.reference`"


def test_every_command_and_option_is_documented() -> None:
    for name, command in commands().items():
        section = re.split(rf"^#+ gateway {re.escape(name)}$", TEXT, flags=re.M)[1].split("\n#")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(f"`{opt}`" in section for opt in parameter.opts), f"{name} {parameter.opts}"


def test_what_may_be_left_out_stands_in_brackets() -> None:
    for name, command in commands().items():
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                shown = parameter.make_metavar(click.Context(command))
                assert shown.startswith("[") is not parameter.required, f"{name} {shown}"


EXAMPLES = [line for block in re.findall(r"^ *```sh\n(.*?)```", TEXT, flags=re.M | re.S) for line in block.splitlines()
            if line.strip().startswith("gateway ")]  # fmt: skip


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_a_command_with_options_it_has(line: str) -> None:
    for part in line.partition(" > ")[0].split(" | "):
        words = shlex.split(part)[1:]
        if words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS
        name = words[0] if words[0] in commands() else " ".join(words[:2])
        command = commands()[name]
        context = click.Context(command, resilient_parsing=True)
        command.parse_args(context, words[len(name.split()) :])
        known = {opt for parameter in command.params for opt in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
