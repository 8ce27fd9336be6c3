"""The core of Iris MLOps Pipelines, without Airflow: finds owed work, and does it exactly once."""
