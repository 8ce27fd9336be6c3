"""Settings: every environment variable, read once at the edge into one frozen object."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from iris_core.errors import ConfigError
from iris_core.settings.names import Names
from iris_core.settings.places import check_apart
from iris_core.settings.project import Project, load_project

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Bucket = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=900, pattern=r"^[^/]")]
ObjectKey = Annotated[str, StringConstraints(min_length=1, max_length=900, pattern=r"^[^/](.*[^/])?$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$")]
TrackingUri = Annotated[str, StringConstraints(pattern=r"^(https?://[^/@\s]+(/[^@\s]*)?|sqlite:///\S+)$")]
"""Neither holds a password: it would show in logs. MLflow reads MLFLOW_TRACKING_USERNAME and …_PASSWORD."""


def _http(url: SecretStr) -> SecretStr:
    if not re.match(r"https?://[^/\s]+", url.get_secret_value()):
        raise ValueError("expected a URL that begins with http:// or https://")
    return url


SecretUrl = Annotated[SecretStr, AfterValidator(_http)]
"""A URL that lets whoever knows it post, as Slack's do."""

TYPE_NAME = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+"
"""A type's full name, module first."""


def _listed(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


TypeNames = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=f"^{TYPE_NAME}$")], ...], BeforeValidator(_listed)
]

Addresses = Annotated[str, StringConstraints(pattern=r"^([^@\s,]+@[^@\s,]+(,[^@\s,]+@[^@\s,]+)*)?$")]

EXAMPLES = {
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
    "MLFLOW_S3_ENDPOINT_URL": "http://minio:9000",
    "AWS_ACCESS_KEY_ID": "iris-pipeline",
    "AWS_SECRET_ACCESS_KEY": "a long random string",
    "PLATFORM_ENV": "dev",
    "TEAM": "team_a",
    "TEAM_S3_BUCKET": "team-a-bucket",
    "TEAM_S3_KEY": "iris/iris_train.csv",
    "TEAM_S3_TRAIN_KEY": "iris/iris_train.csv",
    "TEAM_S3_TEST_KEY": "iris/iris_test.csv, or iris/incoming/",
    "TEAM_PREDICTIONS_BUCKET": "team-a-bucket",
    "TEAM_PREDICTIONS_PREFIX": "iris/predictions",
    "TEAM_DRIFT_BUCKET": "team-a-bucket",
    "TEAM_DRIFT_PREFIX": "iris/drift",
    "TEAM_S3_LABELS_PREFIX": "iris/labels/",
    "LABELS_HORIZON_DAYS": "90",
    "ACCURACY_THRESHOLD": "0.1",
    "PROMOTION_MARGIN": "0.02",
    "PROMOTION_APPROVAL": "auto, or manual",
    "MAX_REJECT_SHARE": "0.05",
    "RESCORE": "newest, all or none",
    "PREDICTIONS_FORMAT": "csv, or parquet",
    "PREDICTION_PROBABILITIES": "false",
    "CSV_SAFE": "true",
    "TRUSTED_MODEL_TYPES": "our_models.scaling.RobustScaler",
    "SHARD_MB": "256",
    "RUN_OWNER": "jane.doe",
    "DRIFT_WINDOW": "3",
    "DRIFT_VIOLATIONS": "2",
    "DRIFT_ALERT_SEVERITY": "medium",
    "DRIFT_ALERT_WEBHOOK": "https://alerts.example.org/iris",
    "DRIFT_ALERT_SLACK": "https://hooks.slack.com/services/T000/B000/token",
    "DRIFT_ALERT_EMAIL": "ml-team@example.org",
    "RETRAIN_ON_DRIFT": "true",
    "RETRAIN_COOLDOWN_HOURS": "6",
    "RETRAIN_BUDGET": "2",
}
"""Every variable that is read, with an example for its error message."""


class Settings(BaseModel):
    """One deployment's settings; secrets are masked in `repr` and logs.

    `test_key` is an object's key, or a prefix ending in `/`. `accuracy_threshold` is a share
    in [0, 1], `promotion_margin` the loss of accuracy against the champion that is put up with once it is
    measured well enough to be told from chance. Credentials are absent where Airflow's connection
    `minio_default` provides them.
    `max_reject_share`: a table with a larger share of rows that cannot be scored is refused as a whole.
    `csv_safe`: text that a spreadsheet would take for a formula is written with an apostrophe before it.
    `trusted_model_types`: full names of types that a model may hold beside those that skops deems safe.
    `rescore`: what a newly staged model scores again of what an earlier one scored.
    `labels_prefix` ends in `/`; labels below it are joined to what was predicted in `labels_horizon_days`.
    `shard_mb`: an inference CSV of more MiB is cut into shards of about that size; 256 take about six seconds
    to score, which is long against a task's start and short against a retry's cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    project: Project
    tracking_uri: TrackingUri
    s3_endpoint_url: Url
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    platform_env: Name
    team: Name
    bucket: Bucket
    train_key: ObjectKey
    test_key: Key
    predictions_bucket: Bucket
    predictions_prefix: Key
    drift_bucket: Bucket
    drift_prefix: Key
    labels_prefix: Annotated[str, StringConstraints(min_length=2, max_length=900, pattern=r"^[^/].*/$")]
    labels_horizon_days: int = Field(default=90, ge=1)
    accuracy_threshold: float = Field(ge=0, le=1)
    promotion_margin: float = Field(default=0.02, ge=0, le=1)
    promotion_approval: Literal["auto", "manual"] = "auto"
    max_reject_share: float = Field(default=0.05, ge=0, le=1)
    rescore: Literal["newest", "all", "none"] = "newest"
    predictions_format: Literal["csv", "parquet"] = "csv"
    prediction_probabilities: bool = False
    csv_safe: bool = False
    trusted_model_types: TypeNames = ()
    shard_mb: int = Field(default=256, ge=1, le=65536)
    run_owner: str = ""
    drift_window: int = Field(default=3, ge=1, le=100)
    drift_violations: int = Field(default=2, ge=1, le=100)
    drift_alert_severity: Literal["low", "medium", "high"] = "medium"
    drift_alert_webhook: SecretUrl | None = None
    drift_alert_slack: SecretUrl | None = None
    drift_alert_email: Annotated[
        str, StringConstraints(pattern=r"^([^@\s,]+@[^@\s,]+(,[^@\s,]+@[^@\s,]+)*)?$")
    ] = ""
    retrain_on_drift: bool = False
    retrain_cooldown_hours: float = Field(default=6, ge=0)
    retrain_budget: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        """N of M cannot be met when N is above M."""
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
    def names(self) -> Names:
        """Ids of DAGs, experiments, model and assets."""
        return Names(self.team, self.platform_env, self.project.name)


def load_settings(environ: Mapping[str, str] | None = None, project: Project | None = None) -> Settings:
    """Read the settings from the environment; an empty variable counts as unset.

    :raises ConfigError: a value is malformed; the message names variable, problem and an example.
    """
    environ = os.environ if environ is None else environ
    project = project or load_project()
    given = {name: environ[name] for name in EXAMPLES if environ.get(name)}
    try:
        return Settings.model_validate(_fields(given, project))
    except ValidationError as error:
        # Not `from error`: its text quotes what was given, secrets too.
        raise ConfigError(_explain(error, given)) from None


def _fields(given: Mapping[str, str], project: Project) -> dict[str, Any]:
    team = given.get("TEAM", project.default_team)
    bucket = given.get("TEAM_S3_BUCKET", f"{team.replace('_', '-')}-bucket")
    train_key = given.get("TEAM_S3_TRAIN_KEY") or given.get("TEAM_S3_KEY")
    name = project.name
    return {
        "project": project,
        "tracking_uri": given.get("MLFLOW_TRACKING_URI", "http://mlflow:5000"),
        "s3_endpoint_url": given.get("MLFLOW_S3_ENDPOINT_URL", "http://minio:9000"),
        "access_key_id": given.get("AWS_ACCESS_KEY_ID"),
        "secret_access_key": given.get("AWS_SECRET_ACCESS_KEY"),
        "platform_env": given.get("PLATFORM_ENV", "dev"),
        "team": team,
        "bucket": bucket,
        "train_key": train_key or f"{name}/{name}_train.csv",
        "test_key": given.get("TEAM_S3_TEST_KEY", f"{name}/{name}_test.csv"),
        "predictions_bucket": given.get("TEAM_PREDICTIONS_BUCKET", bucket),
        "predictions_prefix": given.get("TEAM_PREDICTIONS_PREFIX", f"{name}/predictions").rstrip("/"),
        "drift_bucket": given.get("TEAM_DRIFT_BUCKET", bucket),
        "drift_prefix": given.get("TEAM_DRIFT_PREFIX", f"{name}/drift").rstrip("/"),
        "labels_prefix": given.get("TEAM_S3_LABELS_PREFIX", f"{name}/labels").rstrip("/") + "/",
        "labels_horizon_days": given.get("LABELS_HORIZON_DAYS", "90"),
        "accuracy_threshold": given.get("ACCURACY_THRESHOLD", "0.1"),
        "promotion_margin": given.get("PROMOTION_MARGIN", "0.02"),
        "promotion_approval": given.get("PROMOTION_APPROVAL", "auto"),
        "max_reject_share": given.get("MAX_REJECT_SHARE", "0.05"),
        "rescore": given.get("RESCORE", "newest"),
        "predictions_format": given.get("PREDICTIONS_FORMAT", "csv"),
        "prediction_probabilities": given.get("PREDICTION_PROBABILITIES", "false"),
        "csv_safe": given.get("CSV_SAFE", "false"),
        "trusted_model_types": given.get("TRUSTED_MODEL_TYPES", ""),
        "shard_mb": given.get("SHARD_MB", "256"),
        "run_owner": given.get("RUN_OWNER", ""),
        **{name.lower(): given[name] for name in _AS_THEY_ARE if name in given},
    }


_AS_THEY_ARE = [name for name in EXAMPLES if name.startswith(("DRIFT_", "RETRAIN_"))]


_VARIABLES = {
    "tracking_uri": "MLFLOW_TRACKING_URI",
    "s3_endpoint_url": "MLFLOW_S3_ENDPOINT_URL",
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "bucket": "TEAM_S3_BUCKET",
    "test_key": "TEAM_S3_TEST_KEY",
    "predictions_bucket": "TEAM_PREDICTIONS_BUCKET",
    "predictions_prefix": "TEAM_PREDICTIONS_PREFIX",
    "drift_bucket": "TEAM_DRIFT_BUCKET",
    "drift_prefix": "TEAM_DRIFT_PREFIX",
    "labels_prefix": "TEAM_S3_LABELS_PREFIX",
}


_SECRETS = ("AWS_SECRET_ACCESS_KEY", "DRIFT_ALERT_WEBHOOK", "DRIFT_ALERT_SLACK")


def _explain(error: ValidationError, given: Mapping[str, str]) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return f"{first['msg'].removeprefix('Value error, ')}."
    field = str(first["loc"][0])
    variable = _VARIABLES.get(field, field.upper())
    if field == "train_key":
        variable = "TEAM_S3_TRAIN_KEY" if "TEAM_S3_TRAIN_KEY" in given else "TEAM_S3_KEY"
    secret = variable in _SECRETS or "@" in given.get(variable, "")
    shown = "***" if secret else given.get(variable, first.get("input"))
    return f"{variable}={shown!s}: {first['msg']}. Example: {variable}={EXAMPLES[variable]}"
