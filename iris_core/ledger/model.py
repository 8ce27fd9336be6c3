"""A registered model version, as records name it."""

from __future__ import annotations

import hashlib
import re

from pydantic import BaseModel, ConfigDict

_PLAIN = re.compile(r"[0-9A-Za-z_-]{1,64}")


def in_a_key(text: str) -> str:
    """A name from the registry as part of a key: itself, or its digest where it is not plain or long.

    Whoever may write to the registry chooses a run's id: it must not become two parts of a path.
    """
    return text if _PLAIN.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()


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
        return f"v{self.version}-{in_a_key(self.run_id)[:8] if self.run_id else ''}"
