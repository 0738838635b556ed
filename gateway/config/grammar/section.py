"""What every part of the settings has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """The base of every part of the settings: final, and without keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)
