"""Registers a model that was logged elsewhere; compares today's table with the one that it learnt from."""

from airflow.sdk import DAG

from iris_provider_minio.operators.evidently import EvidentlyDriftReportOperator
from iris_provider_minio.operators.mlflow import MlflowRegisterModelOperator

with DAG("register_and_compare", schedule=None, params={"model_uri": "runs:/…/model"}):
    registered = MlflowRegisterModelOperator(
        task_id="register", model_uri="{{ params.model_uri }}", name="flowers", alias="candidate"
    )
    compared = EvidentlyDriftReportOperator(
        task_id="compare",
        current="s3://landing/today.csv",
        reference="s3://landing/reference.csv",
        report="s3://landing/reports/{{ ds_nodash }}",
    )
    registered >> compared
