"""`VideoFileSink`: records annotated frames as a video file."""

from __future__ import annotations

import logging
import sys
import weakref
from pathlib import Path
from typing import Any

from mpipeline.errors import InvalidArgument
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.sinks import conversion
from mpipeline.inference_pipeline.sinks.recording import Recording
from mpipeline.inference_pipeline.sinks.rendered import Rendered, as_one_picture
from mpipeline.inference_pipeline.sinks.rendering import DISPLAY_SIZE, FrameCounter, render_boxes
from mpipeline.inference_pipeline.throughput import FpsMonitor
from mpipeline.sinks.paths import make_folder

_SUFFIXES = (".mp4", ".m4v", ".mov")


class VideoFileSink:
    """Draws predictions like `render_boxes` and writes H.264 into an MP4, each picture at the time of its frame.

    One file for all sources: a batch becomes a mosaic. `on_prediction` is the sink, `release` completes the file; it is
    also completed by `with`, when the sink is forgotten, and when the interpreter ends. After a crash it can be played
    up to the last picture.

    `annotator`, `display_size`, `fps_monitor`, `display_statistics`: as of `render_boxes`. `output_fps`: a number gives
    each picture the same duration, 1 / output_fps seconds, instead of its time in the source. `video_frame_size`
    (width, height): that of the file; None takes that of the first picture. `quiet` False counts the pictures on the
    terminal.
    """

    def __init__(
        self,
        video_file_name: str,
        annotator: Any = None,
        display_size: tuple[int, int] | None = DISPLAY_SIZE,
        fps_monitor: FrameCounter | None = None,
        display_statistics: bool = False,
        output_fps: float | None = None,
        quiet: bool = False,
        video_frame_size: tuple[int, int] | None = DISPLAY_SIZE,
    ) -> None:
        if output_fps is not None and not 0 < output_fps <= 1000:
            raise InvalidArgument(f"output_fps={output_fps} must be above 0 and at most 1000, or None")
        if annotator is None:
            conversion.supervision()  # now rather than at the first frame: it takes a second, and may be missing
        path = Path(video_file_name)
        make_folder(path.parent)
        if path.suffix.lower() not in _SUFFIXES:
            text = "%s will be an MP4 (H.264) whatever its name says: let it end in .mp4"
            logging.getLogger(__name__).warning(text, path, extra={"event": "unusual_suffix"})
        self._options: dict[str, Any] = {
            "annotator": annotator,
            "display_size": display_size,
            "fps_monitor": fps_monitor if fps_monitor is not None else FpsMonitor(),
            "display_statistics": display_statistics,
        }
        self._quiet = quiet
        self._recording = Recording(path, video_frame_size, output_fps)
        self._finalizer = weakref.finalize(self, self._recording.finish)

    @classmethod
    def init(cls, video_file_name: str, *arguments: Any, **options: Any) -> VideoFileSink:
        """The same as the constructor."""
        return cls(video_file_name, *arguments, **options)

    def on_prediction(self, predictions: Any, video_frame: VideoFrame | list[VideoFrame | None] | None) -> None:
        """Draws and writes a frame, or a batch. SinkError if it cannot be written."""
        frames = video_frame if isinstance(video_frame, list) else [video_frame]

        def save(rendered: Rendered) -> None:
            self._recording.add(as_one_picture(rendered), frames)

        render_boxes(predictions, video_frame, **self._options, on_frame_rendered=save)
        if not self._quiet and sys.stderr.isatty():
            print(f"\rWriting frame {self._recording.pictures}", end="", file=sys.stderr, flush=True)

    def release(self) -> None:
        """Completes the file; harmless when repeated. Nothing can be written afterwards."""
        self._finalizer()

    def __enter__(self) -> VideoFileSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
