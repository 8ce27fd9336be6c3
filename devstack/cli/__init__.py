"""Commands that the local stack adds to `iris` (`up`, `down`, `status`, `reset`, `demo`), and its variables.

Importing this module fails if a package of the extra `local` is not installed; `iris` then says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

EXTRA = ("filelock", "moto", "psutil")

for module in EXTRA:
    if find_spec(module) is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def running_environment() -> Mapping[str, str] | None:
    """The variables of this checkout's stack, or of the one in `$IRIS_HOME`; None if it does not run."""
    from devstack.environment import read_environment
    from devstack.home import find_home
    from devstack.stack import Stack

    home = find_home()
    return read_environment(home) if Stack(home).state else None
