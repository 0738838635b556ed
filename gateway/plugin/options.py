"""The base of every plugin's options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """The base of every plugin's options: unknown keys are refused, values are final, defaults are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
