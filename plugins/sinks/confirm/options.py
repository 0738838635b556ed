"""The options of the sink `confirm`: at what it may look, and whose word it takes."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from gateway import CaFile, Duration, Options, Trust
from plugins.sinks.holders import Answering, Networks


class ConfirmOptions(Options):
    """At what it may look, and whose word it takes."""

    confirm: Answering = Field(Answering(), description="For whose files you answer.")
    allow: Networks = Field(
        (),
        description="Networks that may be called although they are not public, such as 10.0.0.0/8. No other private "
        "address is ever called.",
    )
    ca: CaFile = None
    min_trust: Trust = Field(
        Trust.FIELDS,
        description="What the vendor's signature must cover at least; an event with less is refused, because its address "
        "is called.",
    )
    missing_after: Duration = Field(
        timedelta(),
        description="How long a file may be absent, counted from the first look, before it is called missing; until then it "
        "is looked for again.",
    )
