"""Writes the reference part of docs/cli.md from the commands themselves: `python -m tests.cli.reference`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from gateway.cli.root import COMMANDS, commands, gateway

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/cli.md"
MARK = "<!-- What follows is written by `python -m tests.cli.reference`; a test compares it with the program. -->\n"


def reference() -> str:
    """One section a command: what its help says, and a table of its options."""
    parts = [MARK, "\n## Reference\n\n"]
    root = click.Context(gateway, info_name="gateway")
    every = commands()
    for name in COMMANDS:
        command = gateway.get_command(root, name)
        assert command is not None
        parts.append(_section(name, command))
        if isinstance(command, click.Group):
            parts += [_section(full, every[full]) for full in every if full.startswith(f"{name} ")]
    return "".join(parts).rstrip("\n") + "\n"


def _section(name: str, command: click.Command) -> str:
    group = isinstance(command, click.Group)
    level = "####" if " " in name else "###"
    text = f"{level} gateway {name}\n\n{_prose(command.help or '')}\n\n"
    if group:
        return text
    arguments = "".join(
        f" {parameter.make_metavar(click.Context(command))}"
        for parameter in command.params
        if isinstance(parameter, click.Argument)
    )
    text += f"```text\ngateway {name}{arguments} [OPTIONS]\n```\n\n"
    rows = [_row(parameter) for parameter in command.params if isinstance(parameter, click.Option)]
    if rows:
        text += "| option | |\n|---|---|\n" + "".join(rows) + "\n"
    return text


def _prose(text: str) -> str:
    """The help with its paragraphs, `\\b` blocks as code."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip("\b").rstrip() for line in paragraph.split("\n")]
        if "\b" in paragraph:
            paragraphs.append("```text\n" + "\n".join(line.strip() for line in lines if line.strip()) + "\n```")
        else:
            paragraphs.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(paragraphs)


def _row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    context = click.Context(click.Command("x"))
    metavar = "" if option.is_flag else f" `{option.make_metavar(context)}`"
    default = f" Default: {option.default}." if option.show_default else ""
    return f"| {names}{metavar} | {(option.help or '').replace('|', chr(92) + '|')}{default} |\n"


if __name__ == "__main__":
    written = PAGE.read_text().partition(MARK)[0]
    PAGE.write_text(written + reference())
