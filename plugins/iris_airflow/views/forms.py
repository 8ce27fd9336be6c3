"""Forms that another site cannot send: each holds a token that is bound to user, project and decision."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow.api_fastapi.auth.tokens import get_signing_key
from airflow.sdk.configuration import conf
from fastapi import HTTPException, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from iris_airflow.views.visits import Visit

VALID_S = 3600
"""A form must be sent within so many seconds."""


def token(visit: Visit, decision: str) -> str:
    """The token of a form.

    :param visit: who was shown it, and about which project.
    :param decision: the decision that it is for, with all that it is about.
    """
    return str(_signer().dumps(_bound(visit, decision)))


def check(request: Request, visit: Visit, decision: str, given: str) -> None:
    """Refuse a form (403) that our own page did not show to this user within the hour.

    :param request: the request that brings it.
    :param visit: the user and the project.
    :param decision: as of `token`.
    :param given: the token in the form.
    """
    _check_origin(request)
    try:
        bound = _signer().loads(given, max_age=VALID_S)
    except BadSignature as error:
        raise HTTPException(403, "This form is not ours, or older than an hour: open it again.") from error
    if bound != _bound(visit, decision):
        raise HTTPException(403, "This form was made for somebody else, or for another decision.")


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(get_signing_key("api", "secret_key"), salt="iris.decision")


def _bound(visit: Visit, decision: str) -> list[str]:
    return [str(visit.user.get_id()), visit.settings.project.full_name, decision]


def _check_origin(request: Request) -> None:
    """Refuse what a browser says comes from another site."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "This form comes from another site.")
    origin = request.headers.get("origin")
    known = (request.headers.get("host", ""), urlsplit(conf.get("api", "base_url", fallback="") or "").netloc)
    if origin is not None and urlsplit(origin).netloc not in filter(None, known):
        raise HTTPException(403, "This form comes from another site.")
