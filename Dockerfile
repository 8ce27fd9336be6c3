# syntax=docker/dockerfile:1

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
RUN uv pip install --constraint requirements.lock --extra postgres --extra celery --extra fab \
    --extra kubernetes --extra statsd -r pyproject.toml

COPY README.md LICENSE project.json ./
COPY iris_core iris_core
COPY devstack devstack
COPY plugins plugins
RUN uv build --wheel --build-constraints requirements.lock --out-dir /dist . \
    && uv pip install --no-deps /dist/*.whl \
    && /opt/iris/bin/python -m compileall -q /opt/iris/lib

FROM ${BASE_IMAGE}
USER root
COPY --from=builder /opt/iris /opt/iris
# plugins/ is not copied: the wheel's entry point registers the plugin, and Airflow's loader would run every file
# of that folder as a top-level module.
COPY dags /opt/airflow/dags
COPY deploy/*.py /opt/airflow/deploy/
COPY config/airflow_local_settings.py /opt/airflow/config/airflow_local_settings.py
# A named volume takes over the owner of the folder that it is first mounted on.
RUN install -d -o 50000 -g 0 -m 0770 /opt/airflow/logs

ARG IRIS_CODE_VERSION=""
ENV PATH=/opt/iris/bin:$PATH \
    VIRTUAL_ENV=/opt/iris \
    IRIS_CODE_VERSION=$IRIS_CODE_VERSION

USER 50000:0
WORKDIR /opt/airflow
