"""Variables, declared as fields of a model: name, type, default, purpose and examples stand in one place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar, cast, get_args

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from iris_core.errors import ConfigError
from iris_core.settings.masking import MASK
from iris_core.settings.values import bare, on_one_line, spelled, unusable

_SHARED = ("AWS_", "MLFLOW_", "MINIO_")
"""Prefixes of variables that other programs read, too: a name that resembles one of ours may be theirs."""

_ALIKE = 0.9
"""Least `difflib` ratio at which a name counts as a misspelt other one: DRIFT_WINDOWS and DRIFT_WINDOW."""


class Declared(BaseSettings):
    """A model whose fields are variables: `validation_alias` is the name, `description` the purpose.

    A field of type SecretStr is a secret. Values are read from the mapping `environ` alone (default: this
    process's environment), not from files or directories of secrets.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        case_sensitive=True,
        enable_decoding=False,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        *_: PydanticBaseSettingsSource,
        **sources: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources of values. pydantic-settings calls this; its documentation explains the arguments."""
        known = cast(InitSettingsSource, sources["init_settings"])
        return known, _Mapping(settings_cls, known.init_kwargs.pop("environ", os.environ))


class _Mapping(EnvSettingsSource):
    """Reads variables from a mapping, as pydantic-settings reads those of the process."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self.env_vars = given(settings_cls, environ)


Model = TypeVar("Model", bound=Declared)


@dataclass(frozen=True)
class Origin:
    """How errors name a variable's value: `where` comes before the sentence, `name` is what was written.

    The origin of "" is that of errors about several values.
    """

    name: str
    where: str = ""


def variable(name: str, default: Any, purpose: str, *examples: str, computed: str = "", **limits: Any) -> Any:
    """Declare a variable as a field; the field's type is that of the value.

    :param name: the variable's name.
    :param default: a value, or a function of the fields declared before.
    :param purpose: what the variable is for, in the table of variables.
    :param examples: right values, shown in errors; by default the default.
    :param computed: the default in words, if it is computed.
    :param limits: pydantic's limits, such as `le`.
    """
    value = {"default_factory": default} if callable(default) else {"default": default}
    right = list(examples) or [as_text(default)]
    said: dict[str, Any] = {"computed": computed}
    return Field(
        validation_alias=name, description=purpose, examples=right, json_schema_extra=said, **value, **limits
    )


def variables(model: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The declared variables, by name."""
    fields = model.model_fields.values()
    return {str(field.validation_alias): field for field in fields if field.validation_alias}


def is_secret(field: FieldInfo) -> bool:
    """Whether the variable's value is a secret."""
    return _names_a_secret(field.annotation)


def examples(field: FieldInfo) -> str:
    """The right values that an error shows, such as `auto or manual`."""
    *others, last = field.examples or [""]
    return f"{', '.join(others)} or {last}" if others else last


def read_variables(model: type[Model], environ: Mapping[str, str] | None = None, **known: Any) -> Model:
    """Read a model's variables; an empty one counts as unset.

    :param model: declares the variables.
    :param environ: the mapping to read; default: this process's environment.
    :param known: values of fields that are known already, of variables or others.
    :raises ConfigError: a value is malformed (the message names variable, problem and an example), or the
        name of a variable seems to be misspelt.
    """
    environ = os.environ if environ is None else environ
    refuse_misspelt(model, environ)
    return read_values(model, environ, {}, **known)


def read_values(
    model: type[Model], values: Mapping[str, str], origins: Mapping[str, Origin], **known: Any
) -> Model:
    """Read a model's variables from values that come from several places.

    :param model: declares the variables.
    :param values: the value of each variable that is set.
    :param origins: how errors name values that are not simply environment variables.
    :param known: values of fields that are known already.
    :raises ConfigError: a value is malformed.
    """
    bare_values = given(model, values, origins)
    try:
        return model(**known, **{"environ": bare_values})
    except ValidationError as error:
        # Not `from error`: the text of that error quotes the values, secrets too.
        raise ConfigError(_explain(model, error, bare_values, origins)) from None


def as_text(value: Any) -> str:
    """A value as it is written into a variable; "" for None."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, timedelta):
        return spelled(value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def given(
    model: type[BaseSettings], environ: Mapping[str, str], origins: Mapping[str, Origin] | None = None
) -> dict[str, str]:
    """The declared variables that are set, with their bare values: without outer blanks and quotes.

    :param model: declares the variables.
    :param environ: the mapping to read.
    :param origins: how errors name values that are not simply environment variables.
    :raises ConfigError: a value holds a control character, or half a pair of quotes.
    """
    found: dict[str, str] = {}
    for name, field in variables(model).items():
        if value := bare(environ.get(name, "")):
            if problem := unusable(value, is_secret=is_secret(field)):
                raise ConfigError(_sentence(_origin(name, origins), field, value, problem))
            found[name] = value
    return found


def _origin(name: str, origins: Mapping[str, Origin] | None) -> Origin:
    return (origins or {}).get(name) or Origin(name)


def _names_a_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_names_a_secret, get_args(annotation)))


def _explain(
    model: type[Declared], error: ValidationError, values: Mapping[str, str], origins: Mapping[str, Origin]
) -> str:
    first = error.errors()[0]
    problem = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"{_origin('', origins).where}{problem}."
    place = str(first["loc"][0])
    # A default that is wrong is told by its field's name, not by the variable's.
    name = str(model.model_fields[place].validation_alias) if place in model.model_fields else place
    value = values.get(name, str(first.get("input", "")))
    return _sentence(_origin(name, origins), variables(model)[name], value, problem)


def _sentence(origin: Origin, field: FieldInfo, value: str, problem: str) -> str:
    shown = MASK if is_secret(field) or "@" in value else on_one_line(value)
    named = f"{origin.name}={shown}: {problem}. Example: {origin.name}={examples(field)}"
    return f"{origin.where}{named}"


def refuse_misspelt(model: type[Declared], environ: Iterable[str]) -> None:
    """Refuse variables whose names seem to be misspelt: their settings would have no effect.

    :param model: declares the variables.
    :param environ: the names of the variables that are set.
    :raises ConfigError: the message names the variable that was probably meant.
    """
    declared = variables(model)
    unknown = [name for name in environ if is_like_ours(model, name) and name not in declared]
    for name in unknown:
        if alike := closest(plain(name), declared):
            raise ConfigError(
                f"{name} is no variable that is read. Was {alike} meant? Rename it, or unset it. "
                f"Example: {alike}={examples(declared[alike])}"
            )


def is_like_ours(model: type[Declared], name: str) -> bool:
    """Whether a variable's name begins as those of the model do that no other program reads."""
    return plain(name).startswith(_beginnings(model))


@cache
def _beginnings(model: type[Declared]) -> tuple[str, ...]:
    return tuple({name.partition("_")[0] + "_" for name in variables(model)} - {*_SHARED})


def closest(name: str, known: Iterable[str], least: float = _ALIKE) -> str:
    """The known name that resembles this one most; "" if none has at least this `difflib` ratio."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=least)), "")


def plain(name: str) -> str:
    """A variable's name as it was probably meant: upper case, with underscores."""
    return bare(name).upper().replace("-", "_")
