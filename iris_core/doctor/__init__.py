"""Is this deployment fit to work: store, credentials, MLflow, Airflow, and is anything owed for too long?"""

from iris_core.doctor.examination import Diagnosis, Level, examine, is_fit

__all__ = ["Diagnosis", "Level", "examine", "is_fit"]
