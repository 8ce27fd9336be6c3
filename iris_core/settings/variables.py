"""Settings: every environment variable that the pipelines read, in one frozen object."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from iris_core.errors import ConfigError
from iris_core.settings.declared import (
    Declared,
    given,
    read_values,
    read_variables,
    refuse_misspelt,
    variable,
)
from iris_core.settings.names import Names
from iris_core.settings.places import check_apart, check_side_by_side
from iris_core.settings.project import Project
from iris_core.settings.project_files import PROJECT_FILE_VARIABLE, load_project, shipped_file
from iris_core.settings.projects import (
    Deployment,
    ProjectChoice,
    ProjectFile,
    check_names,
    chosen_project,
    for_one_project,
    read_files,
    values_of,
)
from iris_core.settings.values import (
    Addresses,
    Bucket,
    Count,
    Folder,
    Key,
    Login,
    Name,
    Number,
    ObjectKey,
    Prefix,
    SecretUrl,
    Share,
    Span,
    Topic,
    TrackingUri,
    TypeNames,
    Url,
)


class Settings(Declared):
    """One deployment's settings; secrets are masked in `repr` and logs."""

    project_file: Path = variable(
        PROJECT_FILE_VARIABLE,
        shipped_file,
        "another `project.json`, a folder with projects' files, or several of both, comma-separated",
        "/opt/airflow/wine.json",
        "/opt/airflow/projects",
        computed="the installed project.json, and projects/*.json beside it",
    )
    project: Project = Field(default_factory=lambda known: load_project(known["project_file"]))
    further: bool = False
    """Whether this is not the deployment's default project."""
    tracking_uri: TrackingUri = variable(
        "MLFLOW_TRACKING_URI", "http://mlflow:5000", "tracking server and registry"
    )
    tracking_ui_url: Url | None = variable(
        "MLFLOW_UI_URL",
        None,
        "MLflow's address as browsers reach it, for links",
        "https://mlflow.example.org",
        computed="`MLFLOW_TRACKING_URI`",
    )
    tracking_username: Login = variable(
        "MLFLOW_TRACKING_USERNAME",
        "",
        "user name, if MLflow wants a login; never part of the URI",
        "iris-pipeline",
    )
    tracking_password: SecretStr | None = variable(
        "MLFLOW_TRACKING_PASSWORD",
        None,
        "belongs to `MLFLOW_TRACKING_USERNAME`",
        "a long random string",
    )
    s3_endpoint_url: Url = variable("MLFLOW_S3_ENDPOINT_URL", "http://minio:9000", "MinIO or S3 endpoint")
    access_key_id: str | None = variable(
        "AWS_ACCESS_KEY_ID",
        None,
        "credentials of the store, made by the local stack and by `make env`; tasks in Airflow read its "
        "connection `minio_default` instead",
        "iris-pipeline",
    )
    secret_access_key: SecretStr | None = variable(
        "AWS_SECRET_ACCESS_KEY",
        None,
        "belongs to `AWS_ACCESS_KEY_ID`",
        "a long random string",
    )
    platform_env: Name = variable(
        "PLATFORM_ENV",
        "dev",
        "part of DAG, experiment, model and asset names, and of the ledger's prefix",
    )
    team: Name = variable(
        "TEAM",
        lambda known: known["project"].default_team,
        "namespace, part of the same names",
        "team_a",
        computed="`default_team` of project.json",
    )
    bucket: Bucket = variable(
        "TEAM_S3_BUCKET",
        lambda known: f"{known['team'].replace('_', '-')}-bucket",
        "data bucket, and the ledger's",
        "team-a-bucket",
        computed="from `TEAM`",
    )
    key: ObjectKey = variable(
        "TEAM_S3_KEY",
        lambda known: _in_project(known, "{0}_train.csv"),
        "training CSV",
        "iris/iris_train.csv",
    )
    train_key: ObjectKey = variable(
        "TEAM_S3_TRAIN_KEY",
        lambda known: known["key"],
        "training CSV; wins over `TEAM_S3_KEY`",
        "iris/iris_train.csv",
    )
    test_key: Key = variable(
        "TEAM_S3_TEST_KEY",
        lambda known: _in_project(known, "{0}_test.csv"),
        "inference CSV; a key, or a prefix ending in `/`: every object under it is scored",
        "iris/iris_test.csv",
        "iris/incoming/",
    )
    predictions_bucket: Bucket = variable(
        "TEAM_PREDICTIONS_BUCKET",
        lambda known: known["bucket"],
        "bucket of the scored CSVs",
        "team-a-bucket",
        computed="the data bucket",
    )
    predictions_prefix: Folder = variable(
        "TEAM_PREDICTIONS_PREFIX",
        lambda known: _in_project(known, "predictions"),
        "prefix of the scored CSVs",
        "iris/predictions",
    )
    drift_bucket: Bucket = variable(
        "TEAM_DRIFT_BUCKET",
        lambda known: known["bucket"],
        "bucket of the drift reports",
        "team-a-bucket",
        computed="the data bucket",
    )
    drift_prefix: Folder = variable(
        "TEAM_DRIFT_PREFIX",
        lambda known: _in_project(known, "drift"),
        "prefix of the drift reports",
        "iris/drift",
    )
    labels_prefix: Prefix = variable(
        "TEAM_S3_LABELS_PREFIX",
        lambda known: _in_project(known, "labels/"),
        "prefix of late labels: each CSV or Parquet file below it is joined to past predictions",
        "iris/labels/",
    )
    labels_horizon_days: Count = variable(
        "LABELS_HORIZON_DAYS",
        90,
        "predictions of so many days before the labels landed are searched",
        le=36_500,
    )
    kafka_topic: Topic | None = variable(
        "KAFKA_TOPIC",
        None,
        "topic of MinIO's Kafka target: a second watcher reads it over the connection `kafka_default`",
        "minio-events",
    )
    accuracy_threshold: Share = variable(
        "ACCURACY_THRESHOLD",
        0.1,
        "least holdout score of a model that is staged, from 0 to 1, in the `metric` of project.json",
    )
    promotion_margin: Share = variable(
        "PROMOTION_MARGIN",
        0.02,
        "tolerated loss of that score against the champion, where a loss beyond it is shown, and "
        "of all steps together against the best earlier version",
    )
    promotion_approval: Literal["auto", "manual"] = variable(
        "PROMOTION_APPROVAL",
        "auto",
        "`manual`: a human answers before a model is staged (`iris approve`); no run waits",
        "auto",
        "manual",
    )
    promotion_on_suspect: Literal["ask", "refuse", "accept"] = variable(
        "PROMOTION_ON_SUSPECT",
        "ask",
        "a table on which the champion surely does worse than on its own, or a column suddenly knows "
        "the label: `ask`, `refuse` or `accept`",
        "ask",
        "refuse",
        "accept",
    )
    max_reject_share: Share = variable(
        "MAX_REJECT_SHARE",
        0.05,
        "an inference table with a larger share of rows that cannot be scored is refused as a whole",
    )
    max_unpack_ratio: Count = variable(
        "MAX_UNPACK_RATIO",
        200,
        "an upload in gzip or Parquet that unpacks to more than so many times its size is refused; 64 MB "
        "are always read",
        le=1_000_000,
    )
    max_train_mb: Count = variable(
        "MAX_TRAIN_MB",
        1024,
        "a training table that would take about so much memory (MiB) is refused before it is loaded",
        le=1_000_000,
    )
    max_repeat_share: Share = variable(
        "MAX_REPEAT_SHARE",
        0.5,
        "a training table in which a larger share of rows repeats an earlier one is refused, unless its "
        "features have so few values that rows cannot but repeat",
    )
    rescore: Literal["newest", "all", "none"] = variable(
        "RESCORE",
        "newest",
        "what a newly staged model scores again: `newest` object, `all`, or `none`",
        "newest",
        "all",
        "none",
    )
    looks: Literal["named", "everything"] = variable(
        "LOOKS",
        "named",
        "what a run that an event started looks at: what the event names (`named`), or `everything`",
        "named",
        "everything",
    )
    predictions_format: Literal["csv", "parquet"] = variable(
        "PREDICTIONS_FORMAT", "csv", "`csv` or `parquet`", "csv", "parquet"
    )
    prediction_probabilities: bool = variable(
        "PREDICTION_PROBABILITIES", False, "also write each class's probability"
    )
    csv_safe: bool = variable(
        "CSV_SAFE",
        False,
        "`true` or `1`: text in predictions and rejects that a spreadsheet would take for a formula gets "
        "an apostrophe before it",
        "true",
    )
    trusted_model_types: TypeNames = variable(
        "TRUSTED_MODEL_TYPES",
        (),
        "full names of types, comma-separated, that a model may hold beside those that skops deems safe",
        "our_models.scaling.RobustScaler",
    )
    shard_mb: Count = variable(
        "SHARD_MB",
        256,
        "a larger inference CSV (MiB) is cut into shards of about that size, one task each",
        le=65536,
    )
    max_tries: Count = variable(
        "MAX_TRIES",
        3,
        "after so many tries that end with an unforeseen error an object is recorded as `failed`",
        le=100,
    )
    run_owner: str = variable(
        "RUN_OWNER",
        "",
        "who is named in ledger and audit records, and on MLflow runs",
        "jane.doe",
        computed="none; the local stack: your user name",
    )
    code_version: str = variable(
        "IRIS_CODE_VERSION",
        "",
        "the name of the code in the ledger: an image or a commit",
        "1f0c2ab",
        computed="the installed package's version",
    )
    drift_window: Count = variable(
        "DRIFT_WINDOW", 3, "N of M: how many of a model's last batches are looked at", le=100
    )
    drift_violations: Count = variable(
        "DRIFT_VIOLATIONS", 2, "N of M: how many of them must drift for an alert", le=100
    )
    drift_alert_severity: Literal["low", "medium", "high"] = variable(
        "DRIFT_ALERT_SEVERITY",
        "medium",
        "the least severity that counts as drift for alerts: low, medium or high",
        "low",
        "medium",
        "high",
    )
    drift_batch_spread: Number = variable(
        "DRIFT_BATCH_SPREAD",
        lambda known: known["project"].batch_spread,
        "what batches' means differ by beyond chance, in sd of the rows",
        "0.1",
        le=10,
        computed="`batch_spread` of project.json",
    )
    drift_learn_spread: bool = variable(
        "DRIFT_LEARN_SPREAD", False, "learn that from a model's first batches", "true"
    )
    drift_alert_webhook: SecretUrl | None = variable(
        "DRIFT_ALERT_WEBHOOK",
        None,
        "alerts: a URL that JSON is posted to",
        "https://alerts.example.org/iris",
    )
    drift_alert_slack: SecretUrl | None = variable(
        "DRIFT_ALERT_SLACK",
        None,
        "alerts: a Slack incoming webhook",
        "https://hooks.slack.com/services/T000/B000/token",
    )
    drift_alert_email: Addresses = variable(
        "DRIFT_ALERT_EMAIL",
        "",
        "alerts: addresses, comma-separated; sent over the connection `smtp_default`",
        "ml-team@example.org",
    )
    verdict_within: Span | None = variable(
        "VERDICT_WITHIN",
        None,
        "promised time from an upload to its verdict, such as `15m` or `2h`: what has none by then is "
        "told once on the channels",
        "15m",
        "2h",
    )
    retrain_on_drift: bool = variable(
        "RETRAIN_ON_DRIFT", False, "an alert requests a training on the newest data", "true"
    )
    retrain_cooldown_hours: Number = variable(
        "RETRAIN_COOLDOWN_HOURS", 6, "least time between two retrainings", le=87_600
    )
    retrain_budget: Count = variable("RETRAIN_BUDGET", 2, "most retrainings within 24 hours")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        """Refuse N of M with N above M: it could never be met."""
        if self.drift_violations > self.drift_window:
            raise ValueError(
                f"DRIFT_VIOLATIONS={self.drift_violations} is above DRIFT_WINDOW={self.drift_window}: "
                "no alert could ever come. N of M needs N <= M"
            )
        return self

    @model_validator(mode="after")
    def _apart(self) -> Self:
        check_apart(self)
        return self

    @property
    def tracking_login(self) -> tuple[str, str] | None:
        """MLflow's user name and password; None if it wants no login."""
        password = self.tracking_password.get_secret_value() if self.tracking_password else ""
        return (self.tracking_username, password) if self.tracking_username else None

    @property
    def may_ask_a_human(self) -> bool:
        """Whether a model may have to wait for a human's answer before it is staged."""
        return self.promotion_approval == "manual" or self.promotion_on_suspect == "ask"

    @property
    def command(self) -> str:
        """The command `iris` as a person types it about this project."""
        return f"iris --project {self.project.full_name}" if self.further else "iris"

    @property
    def names(self) -> Names:
        """Ids of DAGs, experiments, model and assets."""
        return Names(self.team, self.platform_env, self.project.name, self.further)


def _in_project(known: Mapping[str, Any], name: str) -> str:
    """A key in the project's folder; `{0}` is the project's name."""
    project: str = known["project"].name
    return f"{project}/{name.format(project)}"


def load_settings(environ: Mapping[str, str] | None = None, project: Project | None = None) -> Settings:
    """Read a project's settings from its file and the environment; an empty variable counts as unset.

    :param environ: the mapping to read; default: this process's environment.
    :param project: the project; default: that of `iris --project`, of `IRIS_PROJECT`, or the default one.
    :raises ConfigError: a value is malformed; the message names variable, problem and an example.
    """
    environ = os.environ if environ is None else environ
    if project is None:
        return load_deployment(environ).named(
            chosen_project.get() or read_variables(ProjectChoice, environ).name
        )
    names = (project.name, project.full_name)
    path = Path(given(Settings, environ).get(PROJECT_FILE_VARIABLE, shipped_file()))
    file = ProjectFile(path, is_default=True, names=names, content=project)
    _check_names(environ, [file])
    return _settings_of(file, environ)


def load_deployment(environ: Mapping[str, str] | None = None) -> Deployment:
    """Read the settings of every project. A broken one does not hold the others.

    :param environ: the mapping to read; default: this process's environment.
    :raises ConfigError: the name of a variable seems to be misspelt, or a folder holds no project.
    """
    environ = os.environ if environ is None else environ
    files = read_files(given(Settings, environ).get(PROJECT_FILE_VARIABLE, ""))
    _check_names(environ, files)
    projects: list[Settings] = []
    broken = []
    for file in files:
        try:
            settings = _settings_of(file, environ)
            for other in projects:
                check_side_by_side(settings, other)
        except ConfigError as error:
            broken.append((file, error))
        else:
            projects.append(settings)
    return Deployment(tuple(projects), tuple(broken))


def _check_names(environ: Mapping[str, str], files: Sequence[ProjectFile]) -> None:
    own = for_one_project(Settings, environ)
    refuse_misspelt(Settings, (name for name in environ if name not in own))
    check_names(Settings, environ, files)


def _settings_of(file: ProjectFile, environ: Mapping[str, str]) -> Settings:
    values, origins = values_of(Settings, file, environ)
    return read_values(Settings, values, origins, project=file.project(), further=not file.is_default)
