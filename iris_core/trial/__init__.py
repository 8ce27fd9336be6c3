"""What would the pipelines make of my table? Proposes a project.json for it, and rehearses the pipelines.

`proposal` looks at a table and says what project.json could say of it; `rehearsal` validates, trains, judges,
scores and compares as the pipelines do. Neither records anything.
"""

from __future__ import annotations

from iris_core.trial.proposal import Proposal, propose
from iris_core.trial.rehearsal import Rehearsal, rehearse

__all__ = ["Proposal", "Rehearsal", "propose", "rehearse"]
