"""A registered model version, as records name it."""

from __future__ import annotations

import hashlib
import re

from pydantic import BaseModel, ConfigDict

_PLAIN = re.compile(r"[0-9A-Za-z_-]{1,64}")


def in_a_key(text: str) -> str:
    """A name from the registry in a form that fits into a key: its digest if it is long or unusual.

    Anybody who may write to the registry chooses a run's id: it must not become several parts of a path.
    """
    return text if _PLAIN.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()


class ModelRef(BaseModel):
    """One registered model version; `training` is the path of its training's record, empty without one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    run_id: str
    training: str = ""

    @property
    def variant(self) -> str:
        """A short identity, which stays unique when a new registry numbers its versions from 1 again."""
        return f"v{self.version}-{in_a_key(self.run_id)[:8] if self.run_id else ''}"
