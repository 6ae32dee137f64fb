"""The keys that say when a worker is ended or started again, and how much of what it may use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from mpipeline.config.locate import Problem
from mpipeline.config.spec import Spec, problem_error

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Amount = Annotated[float, Field(gt=0, le=1e9)]


class PerRoleSpec(Spec):
    """A limit for each process of a role; none where nothing is said."""

    decoder: Amount | None = None
    inference: Amount | None = None
    sink: Amount | None = None

    def of(self, role: str) -> float | None:
        """The limit for the role of that name."""
        limit: float | None = getattr(self, role)
        return limit


class RestartSpec(Spec):
    """When a worker is ended because it hangs, and when a dead one is started again. Seconds.

    The pauses grow from `first_delay` to `max_delay`; a worker that ran for `healthy_after` begins anew. More than
    `max_restarts` within `window` is a crash loop: the worker is given up.

    A worker that is silent, or that has work and does not advance, for the timeout of its role is killed and started
    again; while it loads a model or finishes its work at the end, `load_timeout` holds instead. `max_memory_mb` (MB of
    memory of its own) and `max_cpu` (share of one core, averaged over half a minute) end a process that needs more.
    """

    first_delay: Annotated[float, Field(gt=0, le=3600)] = 0.5
    max_delay: Annotated[float, Field(gt=0, le=3600)] = 30.0
    healthy_after: Seconds = 30.0
    max_restarts: Annotated[int, Field(ge=0, le=10_000)] = 10
    window: Seconds = 300.0
    decoder_timeout: Seconds = 60.0
    inference_timeout: Seconds = 180.0
    sink_timeout: Seconds = 60.0
    load_timeout: Seconds = 900.0
    max_memory_mb: PerRoleSpec | None = None
    max_cpu: PerRoleSpec | None = None

    @model_validator(mode="after")
    def _delays_grow(self) -> RestartSpec:
        if self.max_delay < self.first_delay:
            message = f"expected at least first_delay ({self.first_delay:g}), got {self.max_delay:g}"
            raise problem_error(Problem(("max_delay",), message), self.max_delay)
        return self

    def timeout(self, role: str) -> float:
        """Seconds without a sign of life or of progress, after which a worker of that role hangs."""
        return {"decoder": self.decoder_timeout, "inference": self.inference_timeout, "sink": self.sink_timeout}[role]


class LimitsSpec(Spec):
    """How long things may take, and how many of them at once.

    `stop_timeout` is what each stage of an orderly stop gets, in seconds. `connects` is how many network sources may be
    connecting at one moment: more at a time would only disturb each other, and the switch that all of them have lost.
    """

    stop_timeout: Annotated[float, Field(gt=0, le=3600)] = 10.0
    connects: Annotated[int, Field(ge=1, le=1000)] = 8
