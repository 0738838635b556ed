"""`gateway schema`: the grammar of the configuration as JSON Schema."""

from __future__ import annotations

import click


@click.command(short_help="Print the JSON Schema of the configuration, for editors.")
def command() -> None:
    """Print the JSON Schema of the configuration, with the options of every installed source and sink type.

    For an editor that speaks yaml-language-server, save it and write this on the first line of gateway.yaml:

    \b
        # yaml-language-server: $schema=./gateway.schema.json
    """
    from gateway.config.schema import schema
    from gateway.text.escaping import to_json

    click.echo(to_json(schema(), indent=True))
