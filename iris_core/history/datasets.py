"""Datasets for a lineage catalogue: objects, models and records, each in its exact version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from iris_core.ledger.ledger import Ledger
from iris_core.ledger.model import ModelRef
from iris_core.ledger.records.base import Record
from iris_core.ledger.records.promotion import PromotionRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.settings.project import TableSchema
from iris_core.store.versions import ObjectVersion, parse_address
from iris_core.tables.findings import Check, Finding

FILE, MODEL = "FILE", "MODEL"
CHECKED: tuple[Check, ...] = (
    "missing_column",
    "too_few_rows",
    "too_many_rows",
    "not_a_number",
    "no_category",
    "unknown_level",
    "unknown_class",
    "missing_label",
    "missing",
    "infinite",
    "out_of_range",
    "absent_class",
    "small_class",
    "duplicates",
)
"""The checks that a training table without findings has passed; those of unreadable bytes are left out."""


@dataclass(frozen=True)
class Dataset:
    """A dataset, named as OpenLineage names it, and what is known of it.

    :param namespace: `s3://bucket`, or `mlflow://host:port` of the tracking server.
    :param name: the object's key, or the model's name.
    :param version: the object's version id (its etag in an unversioned bucket) or the model version's number;
        empty for what is written only once.
    :param uri: the exact address: `s3://bucket/key?versionId=...` or `models:/name/number`.
    :param type: `FILE` or `MODEL`.
    :param facts: JSON-able: `rows`, `size` in bytes, `fields`, `checks`, `metrics`, `decision`, `same_as`.
    """

    namespace: str
    name: str
    version: str = ""
    uri: str = ""
    type: str = FILE
    facts: Mapping[str, Any] = field(default_factory=dict)

    def knowing(self, **facts: Any) -> Dataset:
        """The same dataset with further facts; those that are None are left out."""
        known = {name: fact for name, fact in facts.items() if fact is not None}
        return replace(self, facts={**self.facts, **known})


def object_dataset(version: ObjectVersion) -> Dataset:
    """An object, in this version."""
    return Dataset(
        f"s3://{version.bucket}",
        version.key,
        version.version_id or version.etag,
        version.uri,
        facts={"size": version.size},
    )


def dataset_at(uri: str) -> Dataset:
    """The object at an address.

    :raises ObjectMissing: it is not the address of an object.
    """
    found = parse_address(uri)
    return Dataset(f"s3://{found.bucket}", found.key, found.version_id or "", uri)


def record_dataset(ledger: Ledger, record: Record) -> Dataset:
    """A record of the ledger, with its decision. It is written once, so its key is exact."""
    bucket, (_, key) = parse_address(ledger.address).bucket, ledger.keys_of(record)
    return dataset_at(f"s3://{bucket}/{key}").knowing(decision=decision_of(record))


def decision_of(record: Record) -> dict[str, str]:
    """What was decided, and why."""
    return {
        "record": record.identity.path,
        "kind": record.kind,
        "outcome": str(record.outcome),
        "reason": record.reason,
    }


def model_dataset(tracking_uri: str, model: ModelRef) -> Dataset:
    """A registered model version."""
    version = str(model.version)
    return Dataset(
        registry_of(tracking_uri), model.name, version, f"models:/{model.name}/{version}", type=MODEL
    )


def logged_dataset(tracking_uri: str, training: TrainedRecord) -> Dataset:
    """The model that a training logged, before it is registered."""
    uri = training.outputs.model_uri
    logged = Dataset(registry_of(tracking_uri), uri.removeprefix("models:/"), uri=uri, type=MODEL)
    return logged.knowing(metrics=scores_of(training))


def registered_dataset(tracking_uri: str, training: TrainedRecord, decided: PromotionRecord) -> Dataset:
    """The model version that a training's model was registered as, with its scores and the gate's decision.

    :param tracking_uri: MLflow's address.
    :param training: the record of the training.
    :param decided: the verdict, or the request to a human.
    """
    logged = logged_dataset(tracking_uri, training)
    found = model_dataset(tracking_uri, decided.model)
    return found.knowing(
        metrics=scores_of(training),
        decision=decision_of(decided),
        same_as={"namespace": logged.namespace, "name": logged.name},
    )


def registry_of(tracking_uri: str) -> str:
    """The namespace of models: MLflow's host and port, without login and path; `mlflow` without a server."""
    parts = urlsplit(tracking_uri)
    if not parts.hostname:
        return "mlflow"
    return f"mlflow://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def scores_of(training: TrainedRecord) -> dict[str, float]:
    """The scores of a training's model on its holdout; `train_accuracy` is on the rows it was fitted to."""
    found = training.evidence
    scores = {
        "accuracy": found.accuracy,
        "f1_macro": found.f1_macro,
        "train_accuracy": found.train_accuracy,
        "precision": found.precision,
        "recall": found.recall,
    }
    return {name: score for name, score in scores.items() if score is not None}


def fields_of(table: TableSchema, columns: Iterable[str]) -> list[dict[str, str]]:
    """Names and types of columns; a column that project.json does not declare is text."""
    kinds = {feature.name: str(feature.type) for feature in table.features} | {table.target: "category"}
    return [{"name": name, "type": kinds.get(name, "string")} for name in columns]


def checks_of(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The checks of a table by the evidence of its validation: those it passed, and a failed one a finding.

    Without a count of rows the reading ended early, and no check is said to have passed.
    """
    findings = [Finding.model_validate(found) for found in evidence.get("findings", ())]
    failed = {finding.check for finding in findings}
    made = CHECKED if "rows" in evidence else ()
    return [
        *({"assertion": check, "success": True} for check in made if check not in failed),
        *(_failed(finding) for finding in findings),
    ]


def _failed(finding: Finding) -> dict[str, Any]:
    told = {
        "assertion": finding.check,
        "success": False,
        "column": finding.column,
        "severity": "error",
        "description": finding.clause,
        "expected": finding.expected,
        "actual": finding.found,
    }
    return {name: value for name, value in told.items() if value is not None}
