"""How is this deployment configured? Variables, project.json, and the masking of secrets."""

from iris_core.settings.features import Feature
from iris_core.settings.masking import masked, secrets_of
from iris_core.settings.names import Names
from iris_core.settings.project import Project, TableSchema
from iris_core.settings.project_files import load_project
from iris_core.settings.variables import Settings, load_settings

__all__ = [
    "Feature",
    "Names",
    "Project",
    "Settings",
    "TableSchema",
    "load_project",
    "load_settings",
    "masked",
    "secrets_of",
]
