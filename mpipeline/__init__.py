"""mpipeline runs a vision model over many video sources at once on one machine.

Files are processed frame by frame and none is lost; live streams give the freshest frame. `mpipeline run
config.yaml` is the command; from Python, `Pipeline(load_config("config.yaml")).run()` is the same, and
`attach("name")` joins a run from another program, and `get_model("yolov8n-640").infer(picture)` needs no run at all.
`InferencePipeline` calls functions of yours with each prediction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpipeline.attached import attach
    from mpipeline.config import RunConfig
    from mpipeline.config.load import load_config
    from mpipeline.errors import MpipelineError
    from mpipeline.frame import Frame, FrameMeta
    from mpipeline.hosted.model import get_model
    from mpipeline.inference_pipeline.entities import SinkMode, VideoFrame
    from mpipeline.inference_pipeline.pipeline import InferencePipeline
    from mpipeline.masks import Masks
    from mpipeline.pipeline import Pipeline
    from mpipeline.prediction import Classification, Detections, Embedding, Failure, Prediction

__version__ = "0.1.0"

__all__ = [
    "Classification",
    "Detections",
    "Embedding",
    "Failure",
    "Frame",
    "FrameMeta",
    "InferencePipeline",
    "Masks",
    "MpipelineError",
    "Pipeline",
    "Prediction",
    "RunConfig",
    "SinkMode",
    "VideoFrame",
    "__version__",
    "attach",
    "get_model",
    "load_config",
]

# Loaded when first used, so that `import mpipeline` costs nothing.
_HOMES = {
    "Classification": "mpipeline.prediction",
    "Detections": "mpipeline.prediction",
    "Embedding": "mpipeline.prediction",
    "Failure": "mpipeline.prediction",
    "Frame": "mpipeline.frame",
    "FrameMeta": "mpipeline.frame",
    "InferencePipeline": "mpipeline.inference_pipeline.pipeline",
    "Masks": "mpipeline.masks",
    "MpipelineError": "mpipeline.errors",
    "Pipeline": "mpipeline.pipeline",
    "Prediction": "mpipeline.prediction",
    "RunConfig": "mpipeline.config",
    "SinkMode": "mpipeline.inference_pipeline.entities",
    "VideoFrame": "mpipeline.inference_pipeline.entities",
    "attach": "mpipeline.attached",
    "get_model": "mpipeline.hosted.model",
    "load_config": "mpipeline.config.load",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mpipeline' has no attribute {name!r}")
