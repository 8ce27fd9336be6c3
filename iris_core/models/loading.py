"""Loads a registered model without running code from its files.

MLflow loads whatever a model's files ask for: pickles, code folders, and skops files with a list of types
that the files themselves declare as trusted. So MLflow only fetches the files, and this module reads them:
only skops files, and only types that skops deems safe or that the deployment names in TRUSTED_MODEL_TYPES.
A model whose files have the digest that our own training's record names may hold any type of scikit-learn and
LightGBM, such as trees; anybody else's may not.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zipfile import BadZipFile

from iris_core.errors import ModelRefused
from iris_core.ledger import Ledger, ModelRef
from iris_core.ledger.records.training import TrainedRecord
from iris_core.models import tracking
from iris_core.models.files import Files
from iris_core.settings.project import TableSchema
from iris_core.settings.values import TYPE_NAME
from iris_core.settings.variables import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import Model
    from sklearn.base import ClassifierMixin

SKOPS = "skops"
OWN_PACKAGES, OWN_TYPES = ("sklearn.", "lightgbm.", "collections."), ("numpy.dtype",)
"""Types of these packages, and these types, are trusted in a model that our own training wrote."""
LOGGED = "models:/"
PROXIED = "mlflow-artifacts"
STORES = ("", "file", "s3", "gs", "abfss", "wasbs")
"""Schemes of places besides its own server where a registry may keep files: folders and buckets."""
LEVELS = "iris.levels"
"""In a model's metadata: the levels that it learnt, by column."""
NAMED = 5
LOG_AGAIN = (
    "Log the model again with mlflow.sklearn.log_model(…, serialization_format='skops') and stage that."
)

Asked = Callable[[], bool]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A loaded model.

    `levels` are those that it learnt of each category, as its files tell; `digest_now` downloads the files
    that were not needed yet.
    """

    estimator: ClassifierMixin
    digest_now: Callable[[], str]
    uri: str
    levels: Mapping[str, Sequence[str]]

    @property
    def digest(self) -> str:
        """The SHA-256 of its files' names and contents. Only while they are there: inside of `loaded`.

        :raises RegistryError: MLflow does not answer.
        """
        return self.digest_now()

    def table(self, table: TableSchema) -> TableSchema:
        """A project's table, with the levels that the model learnt in place of those that it has now.

        :param table: the table as project.json has it.
        :raises ModelRefused: the model does not tell which levels it learnt, and project.json does not list
            them; or what it tells cannot be levels.
        """
        try:
            known = table.with_levels(self.levels)
        except ValueError as error:
            raise ModelRefused(
                f"{self.uri} is refused: what its files tell of levels is wrong: {error}"
            ) from error
        if known.unlisted:
            raise ModelRefused(
                f"{self.uri} is refused: it does not tell which levels of {', '.join(known.unlisted)} it "
                "learnt, and project.json lists none. Stage a version that the pipeline trained, or list "
                "the levels."
            )
        return known


@contextmanager
def loaded(settings: Settings, ledger: Ledger, model: ModelRef) -> Iterator[Loaded]:
    """Load the scikit-learn model of a registered version; its files are deleted when the block ends.

    :param settings: name the registry, and the types that are trusted.
    :param ledger: has the record of the model's training.
    :param model: the version.
    :raises RegistryMissing: MLflow has no such version, or not its files.
    :raises RegistryError: MLflow does not answer.
    :raises ModelRefused: the model cannot be loaded without running code from its files.
    """
    uri = f"models:/{model.name}/{model.version}"
    with tempfile.TemporaryDirectory(prefix="iris-model-") as folder:
        with tracking.asking(f"Loading {uri}", settings):
            files = _files(settings, model, uri, Path(folder))
            flavors = dict(files.described.flavors)
            files.fetch(_named(flavors))

        def digest() -> str:
            with tracking.asking(f"Loading {uri}", settings):
                return files.digest

        def is_own() -> bool:
            training = ledger.find(TrainedRecord, model.training)
            return training is not None and training.outputs.model_digest == digest()

        # skops looks through every loaded module, and provokes their deprecations.
        with warnings.catch_warnings(action="ignore"):
            estimator = estimator_of(Path(folder), flavors, uri, settings.trusted_model_types, is_own)
        yield Loaded(estimator, digest, uri, _levels(files.described))


def _levels(described: Model) -> dict[str, list[str]]:
    """The levels in a model's metadata that have the shape of levels; anybody may have written it."""
    told = (described.metadata or {}).get(LEVELS)
    shaped = told.items() if isinstance(told, dict) else ()
    return {
        name: levels
        for name, levels in shaped
        if isinstance(levels, list) and all(isinstance(level, str) for level in levels)
    }


def _files(settings: Settings, model: ModelRef, uri: str, folder: Path) -> Files:
    """A version's files, which are downloaded to a folder."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    place = _place(tracking.client(settings), model)
    check_place(place, uri, settings.tracking_uri)
    return Files(get_artifact_repository(place, tracking_uri=settings.tracking_uri), folder, uri)


def _place(mlflow_client: MlflowClient, model: ModelRef) -> str:
    """The address of a version's files. Asked once, so that the checked address is the one fetched from."""
    place = mlflow_client.get_model_version_download_uri(model.name, str(model.version))
    logged = place.removeprefix(LOGGED)
    if place.startswith(LOGGED) and "/" not in logged:
        return str(mlflow_client.get_logged_model(logged).artifact_location)
    return place


def check_place(place: str, uri: str, tracking_uri: str) -> None:
    """Refuse files on an unknown server.

    :param place: the address of the files.
    :param uri: the model, for the message.
    :param tracking_uri: the tracking server.
    :raises ModelRefused: the files are neither artifacts of the tracking server nor in a bucket or folder.
    """
    url, server = urlsplit(place), urlsplit(tracking_uri)
    if url.scheme in STORES or (url.scheme == PROXIED and url.netloc in ("", server.netloc)):
        return
    where = f"{url.scheme}://{url.hostname or ''}"
    raise ModelRefused(
        f"{uri} is refused: its files are at {where!r}, not with the registry {tracking_uri}. "
        "Register the model from a run of this registry, and stage that version."
    )


def estimator_of(
    folder: Path,
    flavors: dict[str, Any],
    uri: str,
    trusted: Sequence[str] = (),
    is_own: Asked = lambda: False,
) -> ClassifierMixin:
    """Read the estimator in a model's folder.

    :param folder: the model's files.
    :param flavors: the flavours in its MLmodel file; what they say about trusted types and code is ignored.
    :param uri: the model, for messages.
    :param trusted: full names of types that may be loaded besides those that skops deems safe.
    :param is_own: whether our own training wrote these files; asked only if that matters.
    :raises ModelRefused: the model is no skops file, or holds other types.
    """
    flavor = flavors.get("sklearn")
    if not isinstance(flavor, dict):
        found = ", ".join(sorted(map(str, flavors))[:NAMED]) or "none"
        raise ModelRefused(
            f"{uri} is refused: it is no scikit-learn model (flavours: {found!r}). Only those can be loaded "
            f"without running code from the registry. {LOG_AGAIN}"
        )
    written = flavor.get("serialization_format", "pickle")
    if written != SKOPS:
        raise ModelRefused(
            f"{uri} is refused: its file is in the format {str(written)[:40]!r}, which runs code when it is "
            f"loaded. {LOG_AGAIN}"
        )
    return _read_skops(_file(folder, flavor, uri), uri, trusted, is_own)


def _named(flavors: Mapping[str, Any]) -> list[str]:
    """The file that holds the estimator, as far as an MLmodel file names one."""
    flavor = flavors.get("sklearn")
    return [str(flavor.get("pickled_model", ""))] if isinstance(flavor, dict) else []


def _file(folder: Path, flavor: dict[str, Any], uri: str) -> Path:
    named = str(flavor.get("pickled_model", ""))
    path = (folder / named).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise ModelRefused(
            f"{uri} is refused: its MLmodel file names {named[:80]!r}, which is no file of it. {LOG_AGAIN}"
        )
    return path


def _read_skops(path: Path, uri: str, trusted: Sequence[str], is_own: Asked) -> ClassifierMixin:
    """Read a skops file; check its types before any object is created."""
    import skops.io

    try:
        strange = {*skops.io.get_untrusted_types(file=path)} - {*trusted}
        own = {name for name in strange if is_own_type(name)}
        if strange != own or (own and not is_own()):
            raise ModelRefused(_untrusted(uri, sorted(strange)))
        estimator: ClassifierMixin = skops.io.load(path, trusted=[*trusted, *own])
    except (
        BadZipFile,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        ImportError,
        RecursionError,
    ) as error:
        raise ModelRefused(
            f"{uri} is refused: {path.name} cannot be read as a skops file ({type(error).__name__}: "
            f"{str(error)[:200]!r}). {LOG_AGAIN}"
        ) from error
    return estimator


def is_own_type(name: str) -> bool:
    """Whether a type, by its full name, is trusted in a model that our own training wrote."""
    return name.startswith(OWN_PACKAGES) or name in OWN_TYPES


def _untrusted(uri: str, strange: Sequence[str]) -> str:
    """The message about untrusted types. Their names come from the file: it suggests only sound ones."""
    shown = ", ".join(repr(name[:100]) for name in strange[:NAMED])
    more = f" and {len(strange) - NAMED} more" if len(strange) > NAMED else ""
    known = [name for name in strange if re.fullmatch(TYPE_NAME, name)]
    fix = f"add them to TRUSTED_MODEL_TYPES={','.join(known)}" if known else "log it again without them"
    return (
        f"{uri} is refused: it holds types that are not known to be safe to load: {shown}{more}. "
        f"If you know who wrote this model and what each of these types does, {fix}; "
        "if not, stage another version (iris rollback)."
    )


def untrusted_types(estimator: ClassifierMixin) -> list[str]:
    """Types that an estimator holds and skops does not deem safe."""
    import skops.io

    return list(skops.io.get_untrusted_types(data=skops.io.dumps(estimator)))
