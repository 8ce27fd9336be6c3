"""The page's routes. Every one asks Airflow who is there before it does anything else (`visits`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, Form, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from iris_airflow.views import forms, stored
from iris_airflow.views.cards import card_of
from iris_airflow.views.decisions import DECISIONS, Decision
from iris_airflow.views.rendering import page_address, render, secured
from iris_airflow.views.visits import Editor, Reader, Visit, deployment, logged_in, visible
from iris_core.errors import IrisError, ObjectMissing, StoreError
from iris_core.history.queries import story
from iris_core.history.story import paragraph
from iris_core.ledger import Record

STATIC = Path(__file__).parent / "static"
FILES = {"page.css": "text/css", "page.js": "text/javascript"}
LONGEST_REASON = 1000

app = FastAPI(title="Iris", openapi_url=None, docs_url=None, redoc_url=None)


@app.get("/", dependencies=[Depends(logged_in)])
def projects(request: Request, user: GetUserDep) -> Response:
    """The projects of this deployment that the user may see."""
    found = [one for one in deployment().projects if visible(one, request, user)]
    return render(request, "projects.html", projects=found)


@app.get("/-/{name}", dependencies=[Depends(logged_in)])
def static(name: str) -> Response:
    """The page's style sheet and its script."""
    if name not in FILES:
        raise HTTPException(404, f"There is no {name} here.")
    content = (STATIC / name).read_bytes()
    return secured(
        Response(content, media_type=FILES[name], headers={"Cache-Control": "private, max-age=300"})
    )


@app.get("/{project}")
def page(request: Request, visit: Reader, done: str = "") -> Response:
    """The project's page; `done` is the path of the record of a decision that was taken just now."""
    taken = visit.workspace.ledger.get(done) if done else None
    return render(request, "page.html", visit, state=visit.state, taken=taken)


@app.get("/{project}/data")
def data(visit: Reader) -> Response:
    """What the page shows, as JSON."""
    return secured(JSONResponse(visit.state.model_dump(mode="json")))


@app.get("/{project}/records/{path:path}")
def record(request: Request, visit: Reader, path: str, format: str = "") -> Response:
    """A record of the ledger, in a page or as JSON alone."""
    found = _record(visit, path)
    content = found.model_dump(mode="json")
    if format == "json":
        return secured(JSONResponse(content))
    return render(request, "record.html", visit, record=found, content=found.model_dump_json(indent=2))


@app.get("/{project}/versions/{version}")
def version(request: Request, visit: Reader, version: int) -> Response:
    """The model card of a version, as it is now, and its story."""
    workspace = visit.workspace
    told = story(workspace.ledger, version)
    return render(
        request, "version.html", visit, story=told, text=paragraph(told), card=card_of(workspace, version)
    )


@app.get("/{project}/object")
def served(visit: Reader, uri: Annotated[str, Query()]) -> Response:
    """An object that the pipelines wrote; HTML runs in a sandbox, without Airflow's cookies."""
    workspace = visit.workspace
    found = stored.served(workspace, uri)
    kind = stored.media_type(found)
    response = StreamingResponse(stored.content(workspace, found), media_type=kind)
    if not kind.startswith(("text/html", "application/json")):
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{stored.quoted_name(found)}"
    return secured(response, stored.SANDBOX)


@app.get("/{project}/decide/{name}")
def ask(request: Request, visit: Editor, name: str, target: Annotated[str, Query()]) -> Response:
    """The confirmation page of a decision."""
    return _form(request, visit, _decision(name), name, target)


@app.post("/{project}/decide/{name}")
def decide(
    request: Request,
    visit: Editor,
    name: str,
    target: Annotated[str, Form()],
    token: Annotated[str, Form()],
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
) -> Response:
    """Take a decision in the user's name, and show the page again."""
    decision = _decision(name)
    forms.check(request, visit, f"{name} {target}", token)
    if not reason.strip():
        return _form(
            request, visit, decision, name, target, "Give the reason: it is kept with the decision.", 422
        )
    try:
        taken = decision.take(visit.workspace, target, reason.strip())
    except IrisError as error:
        return _form(request, visit, decision, name, target, str(error), 409, reason)
    where = page_address(request, visit.settings, done=taken.identity.path)
    return secured(RedirectResponse(where, status_code=303))


def _form(
    request: Request,
    visit: Visit,
    decision: Decision,
    name: str,
    target: str,
    error: str = "",
    status: int = 200,
    reason: str = "",
) -> Response:
    return render(
        request,
        "decide.html",
        visit,
        status=status,
        decision=decision,
        target=target,
        token=forms.token(visit, f"{name} {target}"),
        error=error,
        reason=reason,
    )


def _decision(name: str) -> Decision:
    if name not in DECISIONS:
        raise HTTPException(404, f"{name} is no decision: expected {', '.join(DECISIONS)}.")
    return DECISIONS[name]


def _record(visit: Visit, path: str) -> Record:
    found = visit.workspace.ledger.get(path)
    if found is None:
        raise HTTPException(404, f"The ledger has no record {path}.")
    return found


@app.exception_handler(IrisError)
def failed(request: Request, error: Exception) -> Response:
    """Tell what is wrong in the core's own words."""
    status = 404 if isinstance(error, ObjectMissing) else 503 if isinstance(error, StoreError) else 409
    return render(request, "failed.html", status=status, sentence=str(error))
