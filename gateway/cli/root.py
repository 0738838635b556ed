"""The root of the command line: names every command, imports one only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final

import click

from gateway.cli.command_options import Group, config_option
from gateway.errors import GatewayError
from gateway.version import __version__

# name -> the line `gateway --help` shows; kept here so that help imports no command (a test compares it with theirs)
COMMANDS: Final = {
    "serve": "Run the gateway.",
    "reload": "Let a running gateway read its configuration again.",
    "init": "Write a commented configuration with fresh secrets.",
    "status": "One screen: does it run, what goes in and out, what needs a person.",
    "top": "The gateway at a glance, live.",
    "tail": "What happens now: events, attempts, sinks, a line each.",
    "listen": "Post what a pull sink has to a program on this machine.",
    "mcp": "Let an assistant ask the gateway (Model Context Protocol).",
    "check": "Validate the configuration and run its route tests.",
    "route": "Explain where an event would go, and why not elsewhere.",
    "send": "Play the vendor: sign and post real callbacks.",
    "events": "What came in: list, show, replay, release, erase.",
    "deliveries": "What goes out: list, show, retry, cancel, move.",
    "recordings": "What events add up to: list, show.",
    "refused": "Callbacks that were refused: list, show, retry.",
    "sources": "Where callbacks come from: list, show, doctor.",
    "reconcile": "Ask a vendor for the recordings whose callback never came.",
    "sinks": "Where events go: list, test, preview, pause, resume.",
    "audit": "What people did, and who: list.",
    "context": "Gateways elsewhere: add, list, use, remove.",
    "plugins": "Source and sink types: list, show, new.",
    "store": "The store: status, doctor, verify, backup, export, import, copy, keys, reencrypt, migrate.",
    "schema": "Print the JSON Schema of the configuration or of events.",
    "secret": "Make a secret.",
    "health": "Ask a running gateway whether it lives, or is ready.",
}


ALIASES: Final = {"new-plugin": ("plugins", "new")}  # other words for a command, in no list


ELSEWHERE: Final = {  # what other programs call it
    "help": "--help", "version": "--version", "start": "serve", "run": "serve", "validate": "check", "test": "sinks test",
    "explain": "route", "config": "check", "logs": "tail", "watch": "tail",
}  # fmt: skip


class Root(Group):
    """A group whose commands are the modules of `gateway.cli.commands`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in {*COMMANDS, *ALIASES} and not ctx.resilient_parsing:
            below = [whole for whole in commands() if whole.endswith(f" {name}")]  # `replay` is one of `events`
            if meant := [ELSEWHERE[name]] if name in ELSEWHERE else below:
                ctx.fail(f"no command {name!r}; did you mean {' or '.join(f'`gateway {one}`' for one in meant)}?")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in ALIASES:
            group, name = ALIASES[cmd_name]
            found = self.get_command(ctx, group)
            return found.get_command(ctx, name) if isinstance(found, click.Group) else None
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gateway.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            from gateway.cli.output import folded_text
            from gateway.text.escaping import visible

            # what the rooms say on purpose is written for people; anything else is a bug and keeps its traceback
            text = "\n".join(visible(line) for line in str(error).splitlines())
            raise click.ClickException(folded_text(text, beside=len("Error: "))) from error


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 well, 1 the answer is no, 2 wrong use.",
)
@click.version_option(__version__, message="Recording Gateway %(version)s")
@config_option
@click.pass_context
def gateway(ctx: click.Context) -> None:
    """Recording Gateway: takes the recording callbacks of live-video clouds and carries them to where you want them."""


def commands() -> Mapping[str, click.Command]:
    """Every command by its whole name, such as `events list`, for the documentation's test."""
    root = click.Context(gateway, info_name="gateway")
    by_name: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = gateway.get_command(root, name)
        assert command is not None
        if isinstance(command, click.Group):
            by_name.update({f"{name} {sub}": command.commands[sub] for sub in command.commands})
        else:
            by_name[name] = command
    return by_name
