"""Where events are kept, and for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.config.grammar.section import Section
from gateway.fields import Duration, Secret, Size, between, parse_duration, parse_size


class KeepSettings(Section):
    """How long finished things stay."""

    delivered: Annotated[Duration, between("1d"), Field(description="Events all of whose deliveries arrived.")] = (
        parse_duration("7d")
    )
    unrouted: Annotated[Duration, between("1d"), Field(description="Events that no route wanted.")] = parse_duration(
        "7d"
    )
    dead: Annotated[Duration, between("1d"), Field(description="Events with a dead delivery.")] = parse_duration("90d")
    refused: Annotated[
        int, Field(ge=0, le=100_000, description="The last refused callbacks of each source, masked; 0 keeps none.")
    ] = 200


class LimitSettings(Section):
    """Past these limits callbacks are answered 503."""

    waiting: Annotated[
        int,
        Field(
            ge=1,
            description="Most deliveries that wait. Of n sources each keeps 1/(2n) of them to itself, the rest is for "
            "whoever comes first.",
        ),
    ] = 1_000_000
    free_disk: Annotated[Size, Field(description="Least free space on the store's disk (SQLite).")] = parse_size(
        "256MiB"
    )


class StoreSettings(Section):
    """Where events are kept until they arrived. A text is short for `url`."""

    url: Annotated[
        str,
        Field(
            repr=False,
            description="`sqlite:///file` (beside the configuration), `sqlite:////absolute/file`, "
            "or `postgresql://user@host/database`.",
        ),
    ] = "sqlite:///gateway.db"
    password: Annotated[Secret | None, Field(description="PostgreSQL's password, so that the URL can be shown.")] = None
    remember: Annotated[
        Duration, between("1d"), Field(description="How long ids are known, so that a repeat is a duplicate.")
    ] = parse_duration("30d")
    keep: Annotated[KeepSettings, Field(description="How long finished events stay.")] = KeepSettings()
    limits: Annotated[LimitSettings, Field(description="Past these callbacks are answered 503.")] = LimitSettings()
