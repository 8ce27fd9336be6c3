"""The site of this documentation: `make docs` builds it, and fails at a link that leads nowhere."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "Iris MLOps Pipelines"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser", "autoapi.extension"]
root_doc = "docs/index"
# The sources are the whole repository, since pages link to files outside docs/.
include_patterns = ["*.md", "docs/**", "benchmarks/README.md", "provider/README.md"]
exclude_patterns = [".*", "build", "dist"]

# Pages are Markdown as the repository's host shows it, too: links to files, headings as GitHub names them.
myst_heading_anchors = 4

# A word in single backticks is code, in docstrings as on the pages.
default_role = "code"

# The reference is made from docstrings without importing anything.
autoapi_dirs = [
    str(ROOT / folder) for folder in ("iris_core", "plugins/iris_airflow", "provider/iris_provider_minio")
]
autoapi_root = "docs/reference"
autoapi_options = ["members", "show-module-summary"]
autoapi_member_order = "groupwise"
autoapi_add_toctree_entry = False
autoapi_keep_files = False
# It follows no name that is re-exported more than once; nothing is shown in its place.
suppress_warnings = ["autoapi.python_import_resolution"]

html_theme = "furo"
html_title = project
html_show_sphinx = False
html_copy_source = False
html_extra_path = ["site"]


def setup(app: Sphinx) -> None:
    """Keep the reference out of the navigation: each page would show it all, and take seconds to write."""

    def alone(_: Sphinx, page: str, source: list[str]) -> None:
        if page.startswith(f"{autoapi_root}/") and page.count("/") == 3:
            source[0] = f":orphan:\n\n{source[0]}"

    app.connect("source-read", alone)
