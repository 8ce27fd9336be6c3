"""The version that the alias `staging` names now, asked of MLflow's API without MLflow's own client.

The client takes seconds and 300 MB to import, which Airflow's API server does without until somebody decides.
"""

from __future__ import annotations

import json

import urllib3

from iris_core.models.registry import ALIAS
from iris_core.settings.variables import Settings
from iris_provider_minio.endpoint import alias_url
from iris_provider_minio.errors import NOT_FOUND

PATIENCE_S = 1.0
_pool = urllib3.PoolManager(maxsize=4, retries=False, timeout=PATIENCE_S)


def aliased(settings: Settings) -> int | None:
    """The version that the alias names; 0 if it names none, None if MLflow does not say.

    :param settings: the project's, with MLflow's address and login.
    """
    if not settings.tracking_uri.startswith("http"):
        return None
    login = settings.tracking_login
    headers = urllib3.make_headers(basic_auth=":".join(login)) if login else None
    query = {"name": settings.names.model, "alias": ALIAS}
    try:
        answer = _pool.request("GET", alias_url(settings.tracking_uri), fields=query, headers=headers)
        told = json.loads(answer.data)
    except (urllib3.exceptions.HTTPError, ValueError):
        return None
    if answer.status == 200:
        return int(told["model_version"]["version"])
    return 0 if told.get("error_code") in NOT_FOUND else None
