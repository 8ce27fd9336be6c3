"""What a browser finds on the page in Airflow."""

from __future__ import annotations

from fastapi.testclient import TestClient
from lxml import html

PROJECT = "/iris/team_a_iris"


def shown(client: TestClient, path: str = PROJECT) -> html.HtmlElement:
    """A page of the project."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.text)


def form(client: TestClient, path: str) -> dict[str, str]:
    """The hidden fields of a confirmation page."""
    page = shown(client, path)
    return {one.get("name"): one.get("value") for one in page.iterfind(".//input")}
