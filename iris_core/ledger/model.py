"""A registered model version, as records name it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ModelRef(BaseModel):
    """One registered model version; `training` is the path of the record it came from, empty without one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    run_id: str
    training: str = ""

    @property
    def variant(self) -> str:
        """A short identity that survives a registry whose numbering started anew."""
        return f"v{self.version}-{self.run_id[:8]}"
