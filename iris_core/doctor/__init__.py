"""Does this deployment work? Checks store, credentials, MLflow, Airflow, and what is owed for too long."""

from iris_core.doctor.examination import Diagnosis, Level, check_projects, examine, is_fit

__all__ = ["Diagnosis", "Level", "check_projects", "examine", "is_fit"]
