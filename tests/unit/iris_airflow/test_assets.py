"""The assets of places that people name as they like."""

from __future__ import annotations

import pytest
from airflow.models.asset import AssetModel

from iris_airflow.assets import assets
from iris_airflow.datasets import dataset_of
from iris_core.settings.variables import load_settings

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("iris/日本 100%.csv", "iris/%E6%97%A5%E6%9C%AC 100%.csv"),
        ("iris/a b+c%20d.csv", "iris/a b+c%20d.csv"),
    ],
)
def test_airflow_stores_the_asset_of_any_key(key: str, stored: str) -> None:
    asset = assets(load_settings({"TEAM_S3_TRAIN_KEY": key})).training_data
    assert AssetModel(name=asset.name, uri=asset.uri).uri == f"x-minio://team-a-bucket/{stored}"
    assert asset.extra == {"s3_uri": f"s3://team-a-bucket/{key}"}
    dataset = dataset_of(asset, None)
    assert (dataset.namespace, dataset.name) == ("s3://team-a-bucket", key)
