"""The synthetic source: moving shapes with exact ground truth, of any size, rate and length, made from a seed.

`scene_of(name, options).truth(n)` are the boxes of frame `n`, which bears frame id n + 1 as long as the source was
opened once.
"""

from __future__ import annotations

import zlib
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.frame import FrameFormat, PixelFormat, Pixels
from mpipeline.sources.source import GrabbedFrame, StreamInfo
from mpipeline.sources.synthetic_painter import SyntheticPainter
from mpipeline.sources.synthetic_scene import SyntheticScene


class SyntheticOptions(BaseModel):
    """What a synthetic source can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(default="synthetic", pattern=r"^synthetic:?$")
    """Only names the kind: "synthetic" or "synthetic:"."""
    width: int = Field(default=640, ge=16, le=8192)
    height: int = Field(default=480, ge=16, le=8192)
    rate: float = Field(default=30.0, ge=0.1, le=1000.0)
    """Frames a second: of the presentation times, and of the clock when `realtime`."""
    count: int = Field(default=0, ge=0)
    """How many frames; 0 for no end."""
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Decides shapes, colours and motion; derived from the source's name if absent."""
    shapes: int = Field(default=6, ge=0, le=64)
    realtime: bool = False
    """True: a live stream, paced by the clock. False: a file, as fast as it is read."""
    pixel_format: Literal["i420", "nv12", "bgr24", "gray8"] = "i420"


def scene_of(name: str, options: SyntheticOptions) -> SyntheticScene:
    """The scene that a source of that name and these options shows."""
    # Not hash(), which differs from process to process.
    seed = options.seed if options.seed is not None else zlib.crc32(name.encode())
    return SyntheticScene(options.width, options.height, seed, options.shapes)


class SyntheticSource:
    """Yields the frames of one `scene`."""

    Options: ClassVar[type[BaseModel]] = SyntheticOptions

    def __init__(self, name: str, options: SyntheticOptions, clock: Clock | None = None) -> None:
        self.decode_errors = 0
        self.connects = False
        self._options = options
        self.scene = scene_of(name, options)
        self._clock = clock or SystemClock()
        self._format = FrameFormat(PixelFormat[options.pixel_format.upper()], options.width, options.height)
        self._painter: SyntheticPainter | None = None
        self._next = 0
        self._opened_ns = 0

    def open(self) -> StreamInfo:
        """Paints the background; the first frame is due at once."""
        options = self._options
        self._painter = SyntheticPainter(self.scene, self._format)
        self._next = 0
        self._opened_ns = self._clock.monotonic_ns()
        return StreamInfo(
            live=options.realtime,
            width=options.width,
            height=options.height,
            rate=options.rate,
            frame_count=options.count,
            codec="synthetic",
            ends=bool(options.count),
        )

    def seek(self, frame_id: int, pts: float) -> bool:
        """Counts from there on: any frame can be painted without the ones before it."""
        options = self._options
        beyond = bool(options.count) and frame_id > options.count
        if options.realtime or beyond or frame_id < 1 or pts != (frame_id - 1) / options.rate:
            return False
        self._next = frame_id
        return True

    def grab(self) -> GrabbedFrame | None:
        """Counts one frame on; waits until it is due when `realtime`. Nothing is painted yet."""
        options = self._options
        if options.count and self._next >= options.count:
            return None
        if options.realtime:
            self._wait_until(self._opened_ns + int(self._next * NS_PER_S / options.rate))
        pts = self._next / options.rate
        self._next += 1
        return GrabbedFrame(self._format, pts, self._clock.monotonic_ns(), self._clock.wall_ns(), key_frame=True)

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Paints the frame that was grabbed last."""
        if self._painter is None or self._next == 0:
            raise RuntimeError("retrieve() without a grabbed frame: call open() and grab() first")
        self._painter.paint(self._next - 1, planes)

    def close(self) -> None:
        """Lets the painted background go."""
        self._painter = None

    def _wait_until(self, due_ns: int) -> None:
        early = due_ns - self._clock.monotonic_ns()
        if early > 0:
            self._clock.sleep(early / NS_PER_S)
