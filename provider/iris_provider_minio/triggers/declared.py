"""The base of the triggers: it serializes what a trigger declares as its arguments."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from airflow.triggers.base import BaseEventTrigger


class DeclaredTrigger(BaseEventTrigger):
    """A watcher. Subclasses name their constructor's arguments in `arguments`, in order of importance."""

    arguments: tuple[str, ...] = ()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and every argument."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in self.arguments}

    def digest(self, *names: str) -> str:
        """Identifies the class and the values of these arguments."""
        path, arguments = self.serialize()
        told = json.dumps([path, {name: arguments[name] for name in names}], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]
