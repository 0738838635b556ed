"""`gateway schema`: the configuration and the event as JSON Schema, and the admin API as OpenAPI."""

from __future__ import annotations

import click

from gateway.cli.command_options import Choice


@click.command(short_help="Print the JSON Schema of the configuration or of events.")
@click.argument("of", type=Choice(["config", "event"]), default="config")
@click.option("--openapi", is_flag=True, help="Print the admin API as OpenAPI 3.1 instead, for programs that call it.")
def command(of: str, openapi: bool) -> None:
    """Print the JSON Schema of the configuration, with the options of every installed source and sink type; with `event` that of
    the events which are forwarded.

    For an editor that speaks yaml-language-server, save it and write on the first line of gateway.yaml:
    `# yaml-language-server: $schema=./gateway.schema.json`
    """
    if openapi and of == "event":
        raise click.UsageError("--openapi prints the admin API, not the event: leave one of them out")
    if openapi:
        from gateway.web.api.endpoints import ENDPOINTS
        from gateway.web.api.openapi import document_text
        from gateway.web.api.routes import PREFIX

        click.echo(document_text(ENDPOINTS, PREFIX), nl=False)
        return
    from gateway.text.escaping import visible_json

    if of == "event":
        from gateway.events.event_schema import event_schema

        click.echo(visible_json(event_schema(), indent=True))
        return
    from gateway.config.schema import schema

    click.echo(visible_json(schema(), indent=True))
