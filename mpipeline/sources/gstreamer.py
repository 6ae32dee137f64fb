"""The source kind `gstreamer`: any GStreamer pipeline that ends in an appsink, as on Jetson or for unusual cameras."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.errors import ConfigError, Reason, SourceError
from mpipeline.frame import Pixels
from mpipeline.sources.gstreamer_errors import pipeline_error, refused
from mpipeline.sources.gstreamer_frames import Picture, SampleReader
from mpipeline.sources.gstreamer_library import load
from mpipeline.sources.gstreamer_options import GStreamerOptions
from mpipeline.sources.gstreamer_pipeline import Pipeline
from mpipeline.sources.source import GrabbedFrame, StreamInfo

_OLDEST_NS = 10 * NS_PER_S  # a stamp that is older is of another clock


class GStreamerSource:
    """Runs one pipeline; see `Source` for the contract.

    Frames are what the appsink gets, I420, NV12, BGR or GRAY8, copied once: from GStreamer's memory into the slot.
    `pts` is the stream's time. `captured_ns` is when the data entered the pipeline, if that is live and goes by the
    monotonic clock as nearly all do, else when the frame was taken out of it. Damaged frames and warnings of elements
    are counted in `decode_errors`; of a live stream none is shown before the first whole one.

    `decoder` names what decodes, once the source is open. A pipeline that does not stop in time is left behind, and the
    next `open` in this process raises SourceHangs for as long as that is so.
    """

    Options: ClassVar[type[BaseModel]] = GStreamerOptions

    def __init__(self, name: str, options: GStreamerOptions, clock: Clock | None = None) -> None:
        self.connects = options.connects
        self.decode_errors = 0
        self.decoder = ""
        self._name = name
        self._options = options
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._pipeline: Pipeline | None = None
        self._reader: SampleReader | None = None
        self._live = False
        self._base_ns: int | None = None  # what makes running times monotonic ones
        self._captured_ns = 0
        self._picture: Picture | None = None  # what `retrieve` copies
        self._first: GrabbedFrame | None = None  # read by `open`, not yet grabbed

    def open(self) -> StreamInfo:
        """Starts the pipeline and waits for its first frame. Raises SourceError and SourceHangs."""
        deadline_ns = self._clock.monotonic_ns() + int(self._options.connect_timeout * NS_PER_S)
        try:
            library = load()
        except ConfigError as error:
            raise SourceError(f"source {self._name!r}: {error}", Reason.FAILED, retryable=False) from error
        reader = self._reader = SampleReader(library)
        pipeline = self._pipeline = Pipeline(self._name, self._options, library, self._clock)
        pipeline.start(deadline_ns)
        first = self._first_picture(pipeline, reader, deadline_ns)
        self._first = self._shown(first)
        self.decoder = ", ".join(pipeline.decoders()) or "none: what comes is not encoded"
        duration = None if self._live else pipeline.duration()
        return StreamInfo(
            live=self._live,
            width=first.format.width,
            height=first.format.height,
            rate=reader.rate,
            frame_count=round(duration * reader.rate) if duration is not None else 0,
            codec=pipeline.codec(),
        )

    def seek(self, frame_id: int, pts: float) -> bool:
        """Not promised: whether a pipeline can go to a frame exactly, only its elements know."""
        return False

    def grab(self) -> GrabbedFrame | None:
        """The next frame; None at the end. Raises SourceError."""
        first, self._first = self._first, None
        if first is not None:
            return first
        if self._pipeline is None or self._reader is None:
            raise RuntimeError("grab needs an open source")
        deadline_ns = self._clock.monotonic_ns() + int(self._options.read_timeout * NS_PER_S)
        picture = self._next(self._pipeline, self._reader, deadline_ns)
        return self._shown(picture) if picture is not None else None

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Copies the grabbed frame into `planes`, laid out by its format."""
        if self._picture is None or self._reader is None:
            raise RuntimeError("retrieve needs a grabbed frame")
        try:
            self._reader.copy(self._picture, planes)
        except ValueError as error:
            raise refused(self._name, self._options, str(error)) from error

    def close(self) -> None:
        """Stops the pipeline, or leaves it after seconds; harmless when repeated."""
        self._picture = self._first = None
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.stop()

    def _first_picture(self, pipeline: Pipeline, reader: SampleReader, deadline_ns: int) -> Picture:
        """The first that is shown: of a live stream a whole one. Learns from it whether the stream is live."""
        is_learnt = False
        while (picture := self._next(pipeline, reader, deadline_ns)) is not None:
            if not is_learnt:
                self._live = pipeline.is_live() if self._options.live is None else self._options.live
                if self._live:
                    pipeline.keep_newest()
                    self._base_ns = pipeline.monotonic_base()
                is_learnt = True
            if not (self._live and picture.is_corrupt):
                return picture
            if self._clock.monotonic_ns() >= deadline_ns:
                raise pipeline_error(self._name, self._options, Reason.NO_KEY_FRAME, "no frame of it is whole")
        reason = Reason.END_OF_STREAM if self._options.realtime else Reason.NO_VIDEO
        raise pipeline_error(self._name, self._options, reason, "it ended before its first frame")

    def _next(self, pipeline: Pipeline, reader: SampleReader, deadline_ns: int) -> Picture | None:
        """The next frame, None at the end; `retrieve` copies it from now on."""
        self._picture = None  # some decoders have few buffers: none is held while the next one is waited for
        warnings = pipeline.warnings
        try:
            while (sample := pipeline.pull(deadline_ns)) is not None:
                picture = reader.picture(sample)
                self.decode_errors += picture is None or picture.is_corrupt
                if picture is not None:
                    self._picture = picture
                    return picture
                if self._clock.monotonic_ns() >= deadline_ns:
                    raise pipeline_error(self._name, self._options, Reason.CORRUPT_DATA, "its frames are not whole")
            return None
        except ValueError as error:
            raise refused(self._name, self._options, str(error)) from error
        finally:
            self.decode_errors += pipeline.warnings - warnings

    def _shown(self, picture: Picture) -> GrabbedFrame:
        now_ns = self._clock.monotonic_ns()
        captured_ns = now_ns
        if self._base_ns is not None and picture.running_ns is not None:
            stamp_ns = self._base_ns + picture.running_ns
            captured_ns = stamp_ns if 0 <= now_ns - stamp_ns <= _OLDEST_NS else now_ns
        self._captured_ns = max(captured_ns, self._captured_ns + 1)
        return GrabbedFrame(
            picture.format,
            pts=picture.stream_s,
            captured_ns=self._captured_ns,
            wall_ns=self._clock.wall_ns() - max(0, now_ns - self._captured_ns),
            key_frame=True,  # pixels stand alone; which of them were a key frame, a pipeline does not tell
            corrupt=picture.is_corrupt,
        )
