"""Links that Airflow shows beside a task, to what the task made.

A task pushes each address as an XCom under its link's key, and Airflow shows what it finds there. So the API
server needs neither the project's settings nor this module, and nothing is registered with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow.sdk import get_current_context

from iris_provider_minio.links import TaskLink


class ModelVersionLink(TaskLink):
    """To the model version that was registered."""

    name = "Model version"


class EvidenceLink(TaskLink):
    """To the record of the verdict on the model, or of the request to a human, with its evidence."""

    name = "Evidence"


class PredictionsLink(TaskLink):
    """To the predictions; to the project's page if several objects were scored."""

    name = "Predictions"


class ManifestLink(TaskLink):
    """To the manifest of the scoring; to the project's page if several objects were scored."""

    name = "Manifest"


class ReportLink(TaskLink):
    """To Evidently's page."""

    name = "Evidently report"


class StatisticsLink(TaskLink):
    """To the statistics of the batch and of the training data."""

    name = "Statistics"


REGISTERED = (ModelVersionLink(), EvidenceLink())
PUBLISHED = (PredictionsLink(), ManifestLink())
REPORTED = (ReportLink(), StatisticsLink())


def show(addresses: Mapping[type[TaskLink], str]) -> None:
    """Push the addresses of the running task's links.

    :param addresses: the address of each link; an empty one is not shown.
    """
    task = get_current_context()["ti"]
    for link, address in addresses.items():
        if address:
            task.xcom_push(key=link().xcom_key, value=address)
