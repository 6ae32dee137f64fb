"""The config's schema: what a run consists of, with units, bounds and defaults; docs/configuration.md is its prose."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from mpipeline import registry
from mpipeline.config import names, routing
from mpipeline.config.device import Device
from mpipeline.config.expectation import describe
from mpipeline.config.locate import Problem
from mpipeline.config.spec import KindSpec, Spec, problem_error
from mpipeline.config.supervision import LimitsSpec, RestartSpec
from mpipeline.config.tracker import OptionalTracker
from mpipeline.errors import MpipelineError
from mpipeline.registry import Group
from mpipeline.tensor import Precision

Delivery = Literal["every_frame", "latest"]
Overflow = Literal["auto", "block", "drop_oldest", "drop_newest"]
Name = Annotated[str, AfterValidator(lambda name: names.checked_name(name) if name else name)]
RunName = Annotated[str, AfterValidator(names.checked_run_name)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=16384)]
ClassNumber = Annotated[int, Field(ge=0, lt=100_000)]
_NOT_FOR_PYTHON = (
    *("precision", "family", "confidence", "iou_threshold", "max_detections", "class_agnostic_nms"),
    *("classes", "names", "size"),
)
_KIND_OF = "mpipeline.sources.selection:kind_of"  # looked up when needed: config and sources are neighbours
INFERRED = {"uris": "playlist", "gstreamer": "gstreamer"}  # keys in place of `uri`, and the kinds that they mean
_LIVE_SCHEMES = re.compile(r"(rtsps?|rtmps?|udp|rtp|srt|tcp)://", re.IGNORECASE)


class ExpectSpec(Spec):
    """The size, in pixels, that a source will have: for the plan's memory before a camera is seen."""

    width: Side
    height: Side


class SourceSpec(KindSpec):
    """One source. `options` are the keys of its kind, `uri` among them."""

    GROUP: ClassVar[Group] = "sources"
    KIND_HINT: ClassVar[str] = "'uri', from which the kind follows, or 'kind' as "

    name: Name = ""
    delivery: Delivery | None = None
    max_fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    slots: Annotated[int, Field(ge=2, le=256)] | None = None
    expect: ExpectSpec | None = None
    models: routing.Choice = None

    @classmethod
    def infer_kind(cls, mapping: Mapping[Any, Any]) -> str | None:
        if mapping.get("uri") is None:
            return next((kind for key, kind in INFERRED.items() if mapping.get(key) is not None), None)
        address = names.address(mapping.get("uri"))
        return str(registry.resolve(_KIND_OF)(address)) if address is not None else None

    def looks_live(self) -> bool:
        """Whether the source will probably be live; what an open stream says of itself counts more."""
        if getattr(self.options, "realtime", False) is True:
            return True
        return _LIVE_SCHEMES.match(str(getattr(self.options, "uri", ""))) is not None

    def expected_size(self) -> tuple[int, int] | None:
        """Width and height as configured, by `expect` or by the kind's own options; None if they will be seen later."""
        holder = self.expect if self.expect is not None else self.options
        width, height = getattr(holder, "width", None), getattr(holder, "height", None)
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None


class ModelSpec(Spec):
    """The model and how it is used. What is left out may still be told by its sidecar file or by the model file."""

    path: Path | None = None
    id: str | None = None
    family: str | None = None
    backend: str = "auto"
    target: str | None = None
    device: Device = "auto"
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    streams: Annotated[int, Field(ge=0, le=256)] = 0
    precision: Precision = "float32"
    page_locked_mb: Annotated[int, Field(ge=0)] = 4096
    confidence: Fraction = 0.4
    iou_threshold: Fraction = 0.3
    max_detections: Annotated[int, Field(ge=1, le=100_000)] = 300
    class_agnostic_nms: bool = False
    classes: tuple[int | str, ...] | None = None
    names: tuple[str, ...] | dict[ClassNumber, str] | None = None
    size: tuple[Side, Side] | None = None

    def given(self) -> dict[str, Any]:
        """The fields that the config has set itself, with their values: they win over sidecar and model file."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set) if getattr(self, name) is not None}

    @field_validator("path")
    @classmethod
    def _without_home(cls, path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.expanduser(path))

    @model_validator(mode="before")
    @classmethod
    def _target_means_python(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("target") is not None and data.get("backend", "auto") == "auto":
            return {**data, "backend": "python"}
        return data

    @field_validator("family")
    @classmethod
    def _known_family(cls, family: str | None) -> str | None:
        table = registry.kinds("models")
        if family is not None and family not in table:
            raise ValueError(f"unknown model family {family!r}{registry.suggestion(family, table)}")
        return family

    @field_validator("backend")
    @classmethod
    def _known_backend(cls, backend: str) -> str:
        table = registry.kinds("backends")
        if backend not in table:
            raise ValueError(f"unknown backend {backend!r}{registry.suggestion(backend, table)}")
        return backend

    @field_validator("target")
    @classmethod
    def _module_and_attribute(cls, target: str | None) -> str | None:
        if target is not None and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", target):
            raise ValueError("expected 'module:attribute'")
        return target

    @model_validator(mode="after")
    def _has_what_its_backend_needs(self) -> ModelSpec:
        ignored = [
            name for name in _NOT_FOR_PYTHON if name in self.model_fields_set and getattr(self, name) is not None
        ]
        if self.backend == "python" and ignored:
            raise problem_error(Problem((ignored[0],), "not for backend 'python': its code decides that itself"), None)
        if self.backend == "python" and self.target is None:
            raise problem_error(Problem(("target",), "missing; backend 'python' needs it, as 'module:attribute'"), None)
        if self.path is None and self.target is None and self.id is None:
            raise problem_error(Problem(("path",), "missing; expected the path of a model file"), None)
        if self.id is not None and (self.path is not None or self.target is not None):
            other = "path" if self.path is not None else "target"
            raise problem_error(Problem(("id",), f"there is a {other} already; a model has one of the two"), None)
        return self

    @model_validator(mode="after")
    def _in_a_precision_that_its_backend_has(self) -> ModelSpec:
        if self.precision != "float32" and self.precision not in _precisions(self.backend):
            able = [name for name in sorted(registry.kinds("backends")) if self.precision in _precisions(name)]
            message = f"backend {self.backend!r} has no {self.precision}; it is for {' and '.join(able)}"
            raise problem_error(Problem(("precision",), message), None)
        return self


def _precisions(backend: str) -> tuple[str, ...]:
    """Those that a backend has; none for one that does not load, for whoever opens it to tell."""
    try:
        found: tuple[str, ...] = getattr(registry.load("backends", backend), "precisions", ("float32",))
    except MpipelineError:
        return ()
    return found


class FilterSpec(Spec):
    """What of the predictions a sink gets; see `workers/filtering.py`. Frames that failed are not filtered by class."""

    classes: Annotated[tuple[int | str, ...], Field(min_length=1)] | None = None
    confidence: Fraction | None = None
    every: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    on_change: bool = False


class SinkSpec(KindSpec):
    """One sink. `options` are the keys of its kind; `queue` bounds the predictions of live sources that wait for it."""

    GROUP: ClassVar[Group] = "sinks"

    name: Name = ""
    filter: FilterSpec | None = None
    overflow: Overflow = "auto"
    queue: Annotated[int, Field(ge=1, le=100_000)] = 64
    models: routing.Choice = None


class BatchingSpec(Spec):
    """How frames are put together: at most `max_size` frames, waiting at most `max_wait_ms` for more of them.

    A live frame that is older than `staleness_ms` when its batch is built is dropped. Milliseconds.
    """

    max_size: Annotated[int, Field(ge=1, le=256)] = 8
    max_wait_ms: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    staleness_ms: Annotated[float, Field(gt=0, le=3_600_000)] = 500.0


class NamedModelSpec(ModelSpec):
    """One of several models, which may put its frames together in a way of its own."""

    batching: BatchingSpec | None = None


class RunConfig(Spec):
    """A whole run: one `model`, or several `models` by name. Without sinks, the predictions are only for a program that
    asks for them.
    """

    name: RunName = "run"
    sources: Annotated[tuple[SourceSpec, ...], Field(min_length=1)]
    models: Annotated[dict[str, NamedModelSpec], BeforeValidator(routing.well_named)] = Field(default_factory=dict)
    model: ModelSpec | None = Field(default=None, validate_default=True)
    tracker: OptionalTracker = None
    sinks: tuple[SinkSpec, ...] = ()
    batching: BatchingSpec = BatchingSpec()
    supervision: RestartSpec = RestartSpec()
    limits: LimitsSpec = LimitsSpec()
    run_dir: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: Any) -> Any:
        """`batching:` with nothing behind it, because all its keys are commented out, means the default."""
        if not isinstance(data, Mapping):
            return data
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {key: value for key, value in data.items() if value is not None or key not in optional}

    @field_validator("model")
    @classmethod
    def _one_or_several(cls, model: ModelSpec | None, info: ValidationInfo) -> ModelSpec | None:
        several = info.data.get("models")
        if model is None and several is not None and not several:
            raise problem_error(
                Problem((), f"missing; expected {describe(ModelSpec)}, or several by name: models"), None
            )
        if model is not None and several:
            raise problem_error(Problem((), "there are models by name already; a run has one of the two"), None)
        return model

    @field_validator("sources")
    @classmethod
    def _named_sources(cls, sources: tuple[SourceSpec, ...]) -> tuple[SourceSpec, ...]:
        bases = [names.source_base(getattr(one.options, "uri", None), one.kind, i) for i, one in enumerate(sources)]
        return names.named(sources, bases, "sources")

    @model_validator(mode="after")
    def _waits_are_no_hangs(self) -> RunConfig:
        """A decoder that only waits for its camera must give up before the supervisor takes that for a hang."""
        limit = self.supervision.decoder_timeout
        for index, source in enumerate(self.sources):
            wait = getattr(source.options, "longest_wait", 0.0)
            if wait >= limit:
                text = f"its decoder may wait {wait:g} s for data (3 x read_timeout), expected less than {limit:g} s, "
                raise problem_error(Problem(("sources", index), text + "which is supervision.decoder_timeout"), None)
        return self

    @model_validator(mode="after")
    def _every_model_is_fed_and_told_apart(self) -> RunConfig:
        kinds = [registry.load("sinks", sink.kind) for sink in self.sinks]
        if (problem := routing.misrouted(self.models, self.sources, self.sinks, kinds)) is not None:
            raise problem_error(problem, None)
        return self

    def every_model(self) -> Mapping[str, ModelSpec]:
        """Name → model. The only one of a run has the name ""."""
        return self.models if self.model is None else {"": self.model}

    def models_of(self, part: SourceSpec | SinkSpec) -> tuple[str, ...]:
        """The names of the models that a source feeds, or a sink takes predictions of."""
        return part.models or tuple(self.every_model())

    def batching_of(self, model: str) -> BatchingSpec:
        """How the frames for the model of that name are put together."""
        own = self.models[model].batching if model else None
        return own if own is not None else self.batching

    def with_models(self, change: Callable[[ModelSpec], ModelSpec]) -> RunConfig:
        """The config with each of its models changed."""
        if self.model is not None:
            return self.model_copy(update={"model": change(self.model)})
        return self.model_copy(update={"models": {name: change(spec) for name, spec in self.models.items()}})

    @field_validator("sinks")
    @classmethod
    def _named_sinks(cls, sinks: tuple[SinkSpec, ...]) -> tuple[SinkSpec, ...]:
        for index, sink in enumerate(sinks):
            for earlier in range(index):
                if (sinks[earlier].kind, sinks[earlier].options) == (sink.kind, sink.options):
                    raise problem_error(Problem((index,), f"the same as sinks[{earlier}]; they would collide"), None)
        return names.named(sinks, [sink.kind for sink in sinks], "sinks")
