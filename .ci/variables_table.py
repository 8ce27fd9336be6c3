"""Write the table of variables into docs/configuration.md, from their declarations: `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from devstack.variables import StackVariables
from iris_core.doctor.variables import AirflowLogin
from iris_core.settings.declared import Declared, as_text, is_secret, read_variables, variables
from iris_core.settings.projects import SHARED, ProjectChoice
from iris_core.settings.variables import Settings

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN, END = "<!-- table -->\n\n", "\n<!-- end of the table -->\n"


def rows(model: type[Declared]) -> Iterator[str]:
    """A row for each variable: name, whether each project has its own value, default, purpose."""
    declared = read_variables(model, {})
    names = {str(field.validation_alias): name for name, field in model.model_fields.items()}
    for variable, field in variables(model).items():
        words = dict(field.json_schema_extra or {})["computed"]  # type: ignore[arg-type]
        value = as_text(getattr(declared, names[variable]))
        shown = f"`{value}`" if value and not Path(value).is_absolute() else ""
        default = f"{shown} ({words})" if shown and words else shown or words or "none"
        secret = "; a secret" if is_secret(field) else ""
        scope = "yes" if model is Settings and variable not in SHARED else ""
        yield f"| `{variable}` | {scope} | {default} | {field.description}{secret} |\n"


def page() -> str:
    """The page with the table as the declarations have it."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    heading = "| Variable | Per project | Default | Purpose |\n|---|---|---|---|\n"
    table = "".join([*rows(Settings), *rows(ProjectChoice), *rows(AirflowLogin), *rows(StackVariables)])
    return before + BEGIN + heading + table + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: written\n")
