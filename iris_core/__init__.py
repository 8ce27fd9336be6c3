"""The decisions of Iris MLOps Pipelines, free of Airflow: what is owed, and how it is done once."""
