"""The source kind `video`: one file or stream, named by its `uri`."""

from __future__ import annotations

from mpipeline.sources.video import VideoSource

__all__ = ["VideoSource"]
