"""Ready-made sinks for `on_prediction`. One file a sink; the table below names them, each is loaded when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpipeline.inference_pipeline.sinks.display import display_image
    from mpipeline.inference_pipeline.sinks.fan_out import multi_sink
    from mpipeline.inference_pipeline.sinks.memory import InMemoryBufferSink
    from mpipeline.inference_pipeline.sinks.mosaic import create_tiles
    from mpipeline.inference_pipeline.sinks.preview_page import Preview, preview
    from mpipeline.inference_pipeline.sinks.rendering import render_boxes
    from mpipeline.inference_pipeline.sinks.statistics_text import render_statistics
    from mpipeline.inference_pipeline.sinks.udp import UDPSink
    from mpipeline.inference_pipeline.sinks.video_file import VideoFileSink

__all__ = [
    "InMemoryBufferSink",
    "Preview",
    "UDPSink",
    "VideoFileSink",
    "create_tiles",
    "display_image",
    "multi_sink",
    "preview",
    "render_boxes",
    "render_statistics",
]

_HOMES = {
    "InMemoryBufferSink": "memory",
    "Preview": "preview_page",
    "UDPSink": "udp",
    "VideoFileSink": "video_file",
    "create_tiles": "mosaic",
    "display_image": "display",
    "multi_sink": "fan_out",
    "preview": "preview_page",
    "render_boxes": "rendering",
    "render_statistics": "statistics_text",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
