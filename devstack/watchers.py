"""How often the watchers list, as they store it beside their assets in Airflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from iris_core.doctor.airflow_api import AirflowApi
from iris_core.settings.names import SWEEP_STATE
from iris_core.settings.variables import Settings

WATCHED = ("training_data", "inference_data", "labels", "staged_model")


def watchers(airflow: AirflowApi, projects: Iterable[Settings]) -> Iterator[dict[str, Any]]:
    """Each watcher that has listed: its asset, the seconds of its last listing and of the pause after it.

    :param airflow: where the watchers store it.
    :param projects: whose watchers.
    :raises StackError: Airflow does not answer.
    """
    for settings in projects:
        for name in WATCHED:
            asset = settings.names.asset(name)
            number = airflow.asset_id(asset)
            told = None if number is None else airflow.asset_state(number).get(SWEEP_STATE)
            if told:
                yield {"asset": asset, **told}
