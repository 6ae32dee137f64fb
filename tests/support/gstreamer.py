"""GStreamer in tests: whether it is here, pipelines of software elements, and sources that run them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from mpipeline.errors import ConfigError
from mpipeline.sources.gstreamer import GStreamerSource
from mpipeline.sources.gstreamer_library import Library, load
from mpipeline.sources.gstreamer_options import GStreamerOptions

DECODING = ("filesrc", "qtdemux", "matroskademux", "rtspsrc", "rtph264depay", "avdec_h264", "videoconvert", "decodebin")


def lacking(*elements: str) -> str:
    """Why pipelines with these elements cannot run here; empty if they can."""
    library = _library()
    if isinstance(library, str):
        return library
    missing = [name for name in elements if library.gst.ElementFactory.find(name) is None]
    return f"GStreamer has no {', '.join(missing)} here" if missing else ""


def needs(*elements: str) -> None:
    """Skips the test if GStreamer or one of these elements is not here."""
    if reason := lacking(*elements):
        pytest.skip(reason)


@functools.cache
def _library() -> Library | str:
    try:
        return load()
    except ConfigError as error:
        return str(error)


def source(pipeline: str, **options: Any) -> GStreamerSource:
    """A source with that pipeline, not yet open."""
    return GStreamerSource("test", GStreamerOptions(gstreamer=pipeline, **options))


def pattern(count: int = 0, *, live: bool = False, caps: str = "format=I420,width=320,height=180") -> str:
    """A moving ball, 15 frames a second; `count` 0 has no end."""
    number = f"num-buffers={count}" if count else ""
    return f"videotestsrc {number} pattern=ball is-live={live} ! video/x-raw,{caps},framerate=15/1 ! appsink"


def of_file(path: Path, rest: str = "appsink") -> str:
    """An MP4 with H.264, decoded by FFmpeg."""
    return f"filesrc location={path} ! qtdemux ! avdec_h264 ! {rest}"


def of_camera(address: str, more: str = "") -> str:
    """An RTSP camera with H.264, over TCP."""
    return f"rtspsrc location={address} protocols=tcp latency=0 {more} ! rtph264depay ! avdec_h264 ! appsink"
