# One image for Airflow and MLflow: tasks and the MLflow server use the same mlflow, scikit-learn and skops, so a
# model is written, served and loaded by one locked set of packages. It is built once, audited once, pulled once.

# Another base needs Python 3.11 to 3.13, a user 50000 in group 0 and a folder /opt/airflow that it may write.
ARG BASE_IMAGE=apache/airflow:3.3.2-python3.11

FROM ${BASE_IMAGE} AS builder
USER root
WORKDIR /src
RUN command -v uv >/dev/null || pip install --no-cache-dir uv==0.13.9

# A second environment beside the base image's own: exactly the lock, nothing that came along. As constraints, the
# lock fixes version and hash of everything the wheel asks for (uv refuses another hash), and leaves out the test
# tools that it also lists.
RUN python -m venv --without-pip /opt/iris
ENV UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON=/opt/iris/bin/python
COPY pyproject.toml requirements.lock ./
COPY provider provider
RUN uv pip install --constraint requirements.lock --build-constraints requirements.lock --extra postgres --extra celery --extra fab --extra login \
    --extra kubernetes --extra statsd --extra lineage --extra kafka -r pyproject.toml

COPY README.md LICENSE project.json ./
COPY projects projects
COPY iris_core iris_core
COPY plugins plugins
# Without devstack/, the laptop's stack: the wheel then lacks it, and `iris up` says so.
RUN uv build --wheel --build-constraints requirements.lock --out-dir /dist . \
    && uv pip install --no-deps /dist/*.whl \
    && rm -f /opt/iris/.lock
# What the processes import is compiled, by importing it: a start without takes seconds more. All else would be two
# thirds of the compiled files, which nobody reads.
RUN env -u PYTHONDONTWRITEBYTECODE AIRFLOW_HOME=/tmp/airflow /opt/iris/bin/python -c "import \
    iris_airflow.plugin, iris_airflow.preload, iris_airflow.prompt_runner, \
    mlflow.server.auth, mlflow.server.fastapi_app, \
    airflow.api_fastapi.core_api.routes.public, airflow.api_fastapi.core_api.routes.ui, \
    airflow.api_fastapi.execution_api.routes, airflow.dag_processing.manager, \
    airflow.jobs.scheduler_job_runner, airflow.jobs.triggerer_job_runner, airflow.executors.local_executor, \
    airflow.providers.celery.executors.celery_executor, \
    airflow.providers.cncf.kubernetes.executors.kubernetes_executor, \
    airflow.providers.fab.auth_manager.fab_auth_manager"

FROM ${BASE_IMAGE}
USER root
COPY --from=builder /opt/iris /opt/iris
# Airflow's folder and its code are root's, and the sticky bit keeps others from putting a folder in the place of one.
# So a task, whose user is in root's group, changes neither DAGs nor plugins.
RUN install -d -o 0 -g 0 -m 1775 /opt/airflow \
    && install -d -o 0 -g 0 -m 0755 /opt/airflow/config /opt/airflow/dags /opt/airflow/deploy /opt/airflow/plugins
# plugins/ is not copied: the wheel's entry point registers the plugin, and Airflow's loader would run every file
# of that folder as a top-level module.
COPY dags /opt/airflow/dags
COPY deploy/*.py /opt/airflow/deploy/
COPY config/airflow_local_settings.py /opt/airflow/config/airflow_local_settings.py
# What is copied keeps the modes of the checkout, which a umask of 002 leaves writable for the group. A named volume
# takes over the owner of the folder that it is first mounted on.
RUN chmod -R u=rwX,go=rX /opt/airflow/config /opt/airflow/dags /opt/airflow/deploy \
    && install -d -o 50000 -g 0 -m 0770 /opt/airflow/logs

ARG IRIS_CODE_VERSION=""
ENV PATH=/opt/iris/bin:$PATH \
    VIRTUAL_ENV=/opt/iris \
    IRIS_CODE_VERSION=$IRIS_CODE_VERSION

USER 50000:0
WORKDIR /opt/airflow
