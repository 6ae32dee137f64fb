"""The config: YAML and environment become validated, frozen specs; errors bear file, line and key."""

from mpipeline.config.load import config_from_arguments, load_config
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
    "config_from_arguments",
    "load_config",
]
