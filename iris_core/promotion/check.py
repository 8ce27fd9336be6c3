"""The answer to one question of the gate."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Check(BaseModel):
    """One question to the evidence, and the answer as a sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    passed: bool
    sentence: str
