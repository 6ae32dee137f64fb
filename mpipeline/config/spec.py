"""The ground of every part of the config: frozen, no unknown keys, travels as a plain mapping, shows no password."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Secret,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from mpipeline import registry
from mpipeline.config.explain import PLAIN, explain, misplaced_booleans
from mpipeline.config.locate import KeyPath, Places, Problem
from mpipeline.credentials import redact
from mpipeline.errors import ConfigError, MpipelineError
from mpipeline.registry import Group

SpecT = TypeVar("SpecT", bound="Spec")


class Spec(BaseModel):
    """A part of the config. Made by `from_mapping`; a direct call raises pydantic's ValidationError instead."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @classmethod
    def from_mapping(cls: type[SpecT], mapping: Mapping[str, Any]) -> SpecT:
        """The spec in a plain mapping; raises ConfigError with a line for each thing that is wrong."""
        found, problems = validated(cls, mapping)
        if found is None:
            raise ConfigError(Places().lines(problems))
        return found

    def to_mapping(self) -> dict[str, Any]:
        """What was given, as strings, numbers, lists and mappings with text keys; `from_mapping` makes it equal again.

        Secrets are in it in clear: it is for the worker that needs them, not for logs.
        """
        return {name: plain(getattr(self, name)) for name in sorted(self.model_fields_set)}

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, _Shown(redact(repr(value)))


class KindSpec(Spec):
    """A spec of which a registered kind reads those keys that are not common to all kinds: they become `options`."""

    GROUP: ClassVar[Group]
    KIND_HINT: ClassVar[str] = ""

    kind: str
    options: Any = None

    @classmethod
    def infer_kind(cls, mapping: Mapping[Any, Any]) -> str | None:
        """The kind of an entry that does not name one; None if nothing tells it. Errors are ConfigError."""
        return None

    @classmethod
    def options_of(cls, mapping: Mapping[Any, Any]) -> type[BaseModel] | None:
        """The model of the options of an entry's kind; None if there is no such kind."""
        try:
            kind = mapping.get("kind") or cls.infer_kind(mapping)
            return _options_model(cls.GROUP, kind) if isinstance(kind, str) else None
        except MpipelineError:
            return None

    def to_mapping(self) -> dict[str, Any]:
        common = {name: plain(getattr(self, name)) for name in sorted(self.model_fields_set - {"options"})}
        own: dict[str, Any] = plain(self.options) if self.options is not None else {}
        return {**common, **own}

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, data: Any) -> Any:
        """Puts the keys of the kind under `options`, and adds the kind if it can be inferred."""
        if not isinstance(data, Mapping) or isinstance(data.get("options"), BaseModel):
            return data
        common = {key: value for key, value in data.items() if key in cls.model_fields and key != "options"}
        if common.get("kind") is None:
            common.pop("kind", None)
            try:
                kind = cls.infer_kind(data)
            except MpipelineError as error:
                raise problem_error(Problem(("uri",), str(error)), data.get("uri")) from None
            if kind is None:
                valid = ", ".join(sorted(registry.kinds(cls.GROUP)))
                raise problem_error(Problem(("kind",), f"missing; expected {cls.KIND_HINT}one of {valid}"), None)
            common["kind"] = kind
        return {**common, "options": {key: value for key, value in data.items() if key not in common}}

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        try:
            _options_model(cls.GROUP, kind)
        except MpipelineError as error:
            raise ValueError(str(error)) from None
        return kind

    @field_validator("options")
    @classmethod
    def _by_kind(cls, options: Any, info: ValidationInfo) -> Any:
        if isinstance(options, BaseModel) or "kind" not in info.data:
            return options
        model = _options_model(cls.GROUP, info.data["kind"])
        keys = {info.alias or name for name, info in model.model_fields.items()} | set(model.model_fields)
        unknown = [key for key in options if key not in keys] if model.model_config.get("extra") != "allow" else []
        errors = [InitErrorDetails(type="extra_forbidden", loc=(key,), input=None) for key in unknown]
        try:
            made = model.model_validate({key: value for key, value in options.items() if key not in unknown})
        except ValidationError as error:
            errors += [_again(details) for details in error.errors(include_url=False)]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors, hide_input=True)
        return made


class _Shown(str):
    """A text whose repr is itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def validated(
    model: type[SpecT],
    data: Any,
    shown: Mapping[KeyPath, str] | None = None,
    scrub: Any = redact,
) -> tuple[SpecT | None, list[Problem]]:
    """The spec, or None and everything that is wrong with the data."""
    problems = list(misplaced_booleans(model, data))
    found = None
    try:
        found = model.model_validate(data)
    except ValidationError as error:
        known = {problem.path for problem in problems}
        problems += [one for one in explain(error, model, data, shown or {}, scrub) if one.path not in known]
    return (None if problems else found), problems


def problem_error(problem: Problem, value: Any) -> ValidationError:
    """A problem as an error that pydantic passes on, at a path relative to the validator that raises it."""
    kind = PydanticCustomError(PLAIN, "{message}", {"message": problem.message})
    return ValidationError.from_exception_data(
        "config", [InitErrorDetails(type=kind, loc=problem.path, input=value)], hide_input=True
    )


def plain(value: Any) -> Any:
    """`value` as strings, numbers, lists and mappings with text keys, secrets in clear."""
    if isinstance(value, Spec):
        return value.to_mapping()
    if isinstance(value, BaseModel):
        given = {name: getattr(value, name) for name in sorted(value.model_fields_set)}
        fields = type(value).model_fields
        return {(fields[name].alias if name in fields else None) or name: plain(item) for name, item in given.items()}
    if isinstance(value, (SecretStr, Secret)):
        return plain(value.get_secret_value())
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return value


def _options_model(group: Group, kind: str) -> type[BaseModel]:
    model = getattr(registry.load(group, kind), "Options", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigError(f"kind {kind!r} cannot be configured: its class has no Options, a pydantic model")
    return model


def _again(details: Any) -> InitErrorDetails:
    """An error that was reported, for reporting it once more beside others."""
    own = details["type"] in ("value_error", "assertion_error")
    message = str(details.get("ctx", {}).get("error", details["msg"])) if own else details["msg"]
    kind = PydanticCustomError(PLAIN if own else details["type"], "{message}", {"message": message})
    return InitErrorDetails(type=kind, loc=details["loc"], input=details["input"])
