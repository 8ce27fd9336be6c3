"""Makes OpenLineage datasets, with their facets, of assets. Called by OpenLineage's provider alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iris_airflow.lineage import LINEAGE

if TYPE_CHECKING:
    from airflow.sdk import Asset
    from openlineage.client.event_v2 import Dataset as OpenLineageDataset
    from openlineage.client.facet_v2 import DatasetFacet, InputDatasetFacet, OutputDatasetFacet


def dataset_of(asset: Asset, _context: Any) -> OpenLineageDataset:
    """The dataset of an asset: of an exact version with its facets, or of one that a DAG declares.

    :param asset: one that `iris_airflow.lineage` told of, or one of `iris_airflow.assets`.
    :param _context: who told of it.
    """
    from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset

    given: Any = asset.extra.get(LINEAGE)
    if given is None:
        return Dataset(*_declared(asset))
    names, facets = (given["namespace"], given["name"]), _facets(given)
    if given["is_output"]:
        return OutputDataset(*names, facets=facets, outputFacets=_output_facets(given["facts"]))
    return InputDataset(*names, facets=facets, inputFacets=_input_facets(given["facts"]))


def _declared(asset: Asset) -> tuple[str, str]:
    """Namespace and name of an asset that a DAG declares: no version is known before a task runs."""
    scheme = asset.uri.partition("://")[0]
    # The URI has characters beyond ASCII escaped, `s3_uri` as they are.
    place = str(asset.extra.get("s3_uri", asset.uri)).partition("://")[2]
    root, _, rest = place.partition("/")
    if scheme == "x-minio":
        return f"s3://{root}", rest
    if scheme == "x-mlflow":
        from iris_core.history.datasets import registry_of
        from iris_core.settings.variables import load_deployment

        return registry_of(load_deployment().projects[0].tracking_uri), root
    return "iris", place


def _facets(given: dict[str, Any]) -> dict[str, DatasetFacet]:
    from openlineage.client.facet_v2 import (
        DatasetFacet,
        dataset_type_dataset,
        dataset_version_dataset,
        datasource_dataset,
        schema_dataset,
        symlinks_dataset,
    )

    facts = given["facts"]
    facets: dict[str, DatasetFacet] = {
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(given["type"]),
        "dataSource": datasource_dataset.DatasourceDatasetFacet(given["namespace"], given["uri"]),
    }
    if given["version"]:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(given["version"])
    if "fields" in facts:
        fields = [schema_dataset.SchemaDatasetFacetFields(**one) for one in facts["fields"]]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields)
    if "same_as" in facts:
        same = symlinks_dataset.Identifier(**facts["same_as"], type=given["type"])
        facets["symlinks"] = symlinks_dataset.SymlinksDatasetFacet([same])
    for name in ("metrics", "decision"):
        if name in facts:
            added: Any = DatasetFacet().with_additional_properties(**facts[name])
            facets[f"iris_{name}"] = added
    return facets


def _input_facets(facts: dict[str, Any]) -> dict[str, InputDatasetFacet]:
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality
    from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as counted

    found = counted.DataQualityMetricsInputDatasetFacet(
        columnMetrics={}, rowCount=facts.get("rows"), bytes=facts.get("size")
    )
    facets: dict[str, InputDatasetFacet] = {"dataQualityMetrics": found}
    if "checks" in facts:
        assertions = [quality.Assertion(**check) for check in facts["checks"]]
        facets["dataQualityAssertions"] = quality.DataQualityAssertionsDatasetFacet(assertions)
    return facets


def _output_facets(facts: dict[str, Any]) -> dict[str, OutputDatasetFacet]:
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    found = statistics.OutputStatisticsOutputDatasetFacet(rowCount=facts.get("rows"), size=facts.get("size"))
    return {"outputStatistics": found}
