"""Defines no DAG: Airflow's list of import errors shows here which projects' files are broken, and why.

The other files build the DAGs of every project whose file is sound.
"""

from __future__ import annotations

from iris_core.settings.variables import load_deployment

load_deployment().check()
