"""The options that every sink with a card has, in the same words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway import Language, Timezone
from plugins.sinks.cards.links import LinksShown

CardTimezone = Annotated[Timezone, Field(description="The zone that times are shown in. Default: `locale.timezone`.")]
CardLanguage = Annotated[Language, Field(description="Chinese for `zh`, else English. Default: `locale.language`.")]
CardLinks = Annotated[
    LinksShown,
    Field(
        description="Play and download links: without their query (a signature, often), `full` as they came, or none."
    ),
]
