"""Who asks, about which project, and what they may do. Every route of the page depends on one of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated

from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, HTTPException, Request

from iris_airflow.hooks.minio import MinioHook
from iris_core.errors import ConfigError
from iris_core.ledger import Actor
from iris_core.ledger.audit import code_version
from iris_core.ledger.workspace import Workspace, open_workspace
from iris_core.overview import LastLook, Overview, overview
from iris_core.settings.projects import Deployment
from iris_core.settings.variables import Settings, load_deployment


@dataclass(frozen=True)
class Visit:
    """A user who has logged in and may see the project's DAGs.

    :param may_act: whether they may also edit them, and so decide.
    """

    user: BaseUser
    settings: Settings
    may_act: bool

    @property
    def workspace(self) -> Workspace:
        """The project's workspace, to act in the user's name."""
        actor = Actor(owner=self.user.get_name(), code_version=code_version(self.settings))
        return _opened(self.settings.project.full_name).acting_as(actor)

    @property
    def state(self) -> Overview:
        """The project's state now."""
        return overview(self.workspace, last=_looks.setdefault(self.settings.project.full_name, LastLook()))


@cache
def deployment() -> Deployment:
    """The projects of this deployment, as they were when the server started."""
    return load_deployment()


def logged_in(user: GetUserDep) -> BaseUser:
    """Whoever has logged in; else 401."""
    return user


def reader(project: str, request: Request, user: GetUserDep) -> Visit:
    """Whoever may see the project's three DAGs; else 401 without a login, 403, or 404 without such a project.

    :param project: the project's name in the route.
    :param request: the request.
    :param user: whom Airflow takes it to come from.
    """
    try:
        settings = deployment().named(project)
    except ConfigError as error:
        raise HTTPException(404, str(error)) from error
    if not visible(settings, request, user):
        raise HTTPException(403, "You may not see this project's DAGs.")
    return Visit(user, settings, may_act=_may(user, "PUT", settings, request))


def editor(visit: Annotated[Visit, Depends(reader)]) -> Visit:
    """Whoever may edit the project's DAGs; else 401, 403 or 404."""
    if not visit.may_act:
        raise HTTPException(403, "You may not edit this project's DAGs, so you cannot decide here.")
    return visit


def visible(settings: Settings, request: Request, user: BaseUser) -> bool:
    """Whether a user may see a project's three DAGs.

    :param settings: the project's.
    :param request: the request.
    :param user: the user.
    """
    return _may(user, "GET", settings, request)


Reader = Annotated[Visit, Depends(reader)]
Editor = Annotated[Visit, Depends(editor)]


def _may(user: BaseUser, method: ResourceMethod, settings: Settings, request: Request) -> bool:
    try:
        for dag_id in settings.names.dags:
            requires_access_dag(method, None, dag_id)(request, user)
    except HTTPException as refused:
        if refused.status_code != 403:
            raise
        return False
    return True


_looks: dict[str, LastLook] = {}
"""What makes the next look at a project's ledger cheaper, by the project's full name."""


def forget() -> None:
    """Read the projects, and open their stores, anew at the next request."""
    deployment.cache_clear()
    _opened.cache_clear()
    _looks.clear()


@cache
def _opened(project: str) -> Workspace:
    return open_workspace(deployment().named(project), MinioHook().access())
