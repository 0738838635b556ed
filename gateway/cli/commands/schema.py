"""`gateway schema`: the grammar of the configuration as JSON Schema, and the admin API as OpenAPI."""

from __future__ import annotations

import click


@click.command(short_help="Print the JSON Schema of the configuration, for editors.")
@click.option("--openapi", is_flag=True, help="Print the admin API as OpenAPI 3.1 instead, for programs that call it.")
def command(openapi: bool) -> None:
    """Print the JSON Schema of the configuration, with the options of every installed source and sink type.

    For an editor that speaks yaml-language-server, save it and write on the first line of gateway.yaml:
    `# yaml-language-server: $schema=./gateway.schema.json`
    """
    if openapi:
        from gateway.web.api.endpoints import ENDPOINTS
        from gateway.web.api.openapi import text
        from gateway.web.api.routes import PREFIX

        click.echo(text(ENDPOINTS, PREFIX), nl=False)
        return
    from gateway.config.schema import schema
    from gateway.text.escaping import visible_json

    click.echo(visible_json(schema(), indent=True))
