"""The config: YAML and environment become validated, frozen specs; errors bear file, line and key.

What reads files is in `load`: the workers, which start often, need only the specs.
"""

from mpipeline.config.schema import (
    BatchingSpec,
    Delivery,
    ExpectSpec,
    ModelSpec,
    Overflow,
    RunConfig,
    SinkSpec,
    SourceSpec,
)
from mpipeline.config.supervision import LimitsSpec, RestartSpec

__all__ = [
    "BatchingSpec",
    "Delivery",
    "ExpectSpec",
    "LimitsSpec",
    "ModelSpec",
    "Overflow",
    "RestartSpec",
    "RunConfig",
    "SinkSpec",
    "SourceSpec",
]
