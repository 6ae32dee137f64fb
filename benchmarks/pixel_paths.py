"""Ways from a decoded picture to a model's input, ours and those of OpenCV and NumPy, over a few frames in turn.

Each path is made for one kind of picture and called with a frame's number; what it needs it allocates before, if it is
one that allocates nothing. OpenCV's thread pool is off: each path has one thread, as a worker has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import cv2
import numpy as np
import numpy.typing as npt
from support import media

from benchmarks import machine
from mpipeline import _native
from mpipeline.frame import PixelFormat
from mpipeline.models.preprocess import Recipe, place

Bytes = npt.NDArray[np.uint8]
Tensor = npt.NDArray[np.float32]
Path = Callable[[int], Tensor]

SIDE = 640
PAD = 114
UNIT = np.float32(1 / 255)
_FRAMES = 6  # more bytes than the caches of a core hold, as with frames that another process wrote
_RECORDED = "udacity_test_video_720p.mp4"


@dataclass(frozen=True)
class Pictures:
    """Frames of one format and size: `packed` as OpenCV wants them, `planes` as the ring has them, uint8."""

    format: PixelFormat
    width: int
    height: int
    packed: Sequence[Bytes]

    @property
    def name(self) -> str:
        return f"{self.height}p {self.format.name}"

    def planes(self, number: int) -> list[Bytes]:
        """Views of the frame's planes, each (rows, row bytes)."""
        packed, width, height = self.packed[number], self.width, self.height
        if self.format is PixelFormat.BGR24:
            return [packed.reshape(height, width * 3)]
        if self.format is PixelFormat.NV12:
            return [packed[:height], packed[height:]]
        flat, luma, chroma = packed.reshape(-1), width * height, width * height // 4
        return [
            packed[:height],
            *(flat[at : at + chroma].reshape(height // 2, width // 2) for at in (luma, luma + chroma)),
        ]


def pictures(format: PixelFormat, width: int, height: int) -> Pictures:
    """Frames of a recorded video if the test data is there, else of one that the tests paint; enlarged if need be."""
    path = machine.recorded(_RECORDED) or media.video(media.VideoSpec(width=1280, height=720))
    frames = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 5 == 0:
                name = "nv12" if format is PixelFormat.NV12 else "yuv420p"
                packed = frame.reformat(width, height, name).to_ndarray()
                bgr = format is PixelFormat.BGR24
                frames.append(cv2.cvtColor(packed, cv2.COLOR_YUV2BGR_I420) if bgr else np.ascontiguousarray(packed))
            if len(frames) == _FRAMES:
                break
    return Pictures(format, width, height, frames)


def ours(given: Pictures, portable: bool = False) -> Path:
    """The fused pass of the package; `portable`: as on a processor without AVX2."""
    tensor = np.zeros((3, SIDE, SIDE), np.float32)
    scale = (float(UNIT),) * 3
    native = _native.Preprocessor(SIDE, SIDE, False, scale, (0.0, 0.0, 0.0), PAD, portable)
    placed = place(Recipe(), (SIDE, SIDE), (given.width, given.height))
    where = (placed.width, placed.height, placed.left, placed.top)
    planes = [given.planes(number) for number in range(len(given.packed))]

    def run(number: int) -> Tensor:
        native.run(tensor, given.format, given.width, given.height, 0, False, planes[number], where)
        return tensor

    return run


def _to_bgr(given: Pictures, packed: Bytes, into: Bytes | None = None) -> Bytes:
    if given.format is PixelFormat.BGR24:
        return packed
    code = cv2.COLOR_YUV2BGR_NV12 if given.format is PixelFormat.NV12 else cv2.COLOR_YUV2BGR_I420
    return cv2.cvtColor(packed, code) if into is None else cv2.cvtColor(packed, code, dst=into)


def naive(given: Pictures) -> Path:
    """As many programs do it: every step makes a new array."""
    placed = place(Recipe(), (SIDE, SIDE), (given.width, given.height))
    below = SIDE - placed.height - placed.top

    def run(number: int) -> Tensor:
        small = cv2.resize(_to_bgr(given, given.packed[number]), (placed.width, placed.height))
        border = cv2.BORDER_CONSTANT
        padded = cv2.copyMakeBorder(small, placed.top, below, 0, 0, border, value=(PAD, PAD, PAD))
        planar = np.ascontiguousarray(padded[..., ::-1].transpose(2, 0, 1)).astype(np.float32)
        planar /= 255
        return planar

    return run


class _Finish:
    """From a small picture of bytes to the tensor, into memory that is there already."""

    def __init__(self, given: Pictures, with_table: bool) -> None:
        placed = place(Recipe(), (SIDE, SIDE), (given.width, given.height))
        self.size = placed.width, placed.height
        self.tensor = np.full((3, SIDE, SIDE), PAD * UNIT, np.float32)
        self._rows = [self.tensor[c, placed.top : placed.top + placed.height] for c in range(3)]
        self._channels = [np.empty((placed.height, placed.width), np.uint8) for _ in range(3)]
        self._table = np.arange(256, dtype=np.float32) * UNIT if with_table else None

    def run(self, small: Bytes, *, bgr: bool) -> Tensor:
        """`small` is (height, width, 3)."""
        cv2.split(small, self._channels)
        for channel, rows in zip(self._channels[::-1] if bgr else self._channels, self._rows, strict=True):
            if self._table is not None:
                cv2.LUT(channel, self._table, dst=rows)
            else:
                np.multiply(channel, UNIT, out=rows)
        return self.tensor


def converted_first(given: Pictures) -> Path:
    """Colour at full size, then the resize, all into memory that is there already."""
    finish = _Finish(given, with_table=True)
    large = np.empty((given.height, given.width, 3), np.uint8)
    small = np.empty((finish.size[1], finish.size[0], 3), np.uint8)

    def run(number: int) -> Tensor:
        cv2.resize(_to_bgr(given, given.packed[number], large), finish.size, dst=small)
        return finish.run(small, bgr=True)

    return run


def resized_first(given: Pictures, with_table: bool) -> Path:
    """The resize of each plane, colour at the small size, all into memory that is there already: OpenCV at its best.

    The last step, to numbers from 0 to 1, by a multiplication or by a table.
    """
    finish = _Finish(given, with_table)
    width, height = finish.size
    small = np.empty((height, width, 3), np.uint8)
    yuv = np.empty((height * 3 // 2, width), np.uint8)
    targets = Pictures(given.format, width, height, [yuv])

    def run_bgr(number: int) -> Tensor:
        cv2.resize(given.packed[number], finish.size, dst=small)
        return finish.run(small, bgr=True)

    def run_yuv(number: int) -> Tensor:
        for plane, target in zip(planes[number], targets_planes, strict=True):
            cv2.resize(plane, (target.shape[1], target.shape[0]), dst=target)
        cv2.cvtColor(yuv, code, dst=small)
        return finish.run(small, bgr=False)

    if given.format is PixelFormat.BGR24:
        return run_bgr
    nv12 = given.format is PixelFormat.NV12
    code = cv2.COLOR_YUV2RGB_NV12 if nv12 else cv2.COLOR_YUV2RGB_I420

    def views(of: Pictures, number: int) -> list[Bytes]:
        found = of.planes(number)
        return [found[0], found[1].reshape(of.height // 2, of.width // 2, 2)] if nv12 else found

    planes = [views(given, number) for number in range(len(given.packed))]
    targets_planes = views(targets, 0)
    return run_yuv


def copied(given: Pictures) -> Callable[[int], object]:
    """A limit: the same bytes, copied."""
    target = np.empty_like(given.packed[0])
    return lambda number: np.copyto(target, given.packed[number])


def read(given: Pictures) -> Callable[[int], object]:
    """A limit: the same bytes, read once."""
    words = [packed.reshape(-1).view(np.uint64) for packed in given.packed]
    return lambda number: np.bitwise_or.reduce(words[number])


def exact(given: Pictures, number: int) -> npt.NDArray[np.float64]:
    """The tensor in double precision: BT.601 in limited range, each chroma sample for its 2 x 2 pixels, bilinear."""
    planes = given.planes(number)
    if given.format is PixelFormat.BGR24:
        rgb = given.packed[number][..., ::-1].astype(np.float64)
    else:
        nv12 = given.format is PixelFormat.NV12
        u, v = (planes[1][:, 0::2], planes[1][:, 1::2]) if nv12 else planes[1:]
        cb, cr = (np.repeat(np.repeat(plane, 2, 0), 2, 1).astype(np.float64) - 128 for plane in (u, v))
        luma = (planes[0].astype(np.float64) - 16) * (255 / 219)
        kr, kb = 0.299, 0.114
        red, blue = luma + 2 * (1 - kr) * 255 / 224 * cr, luma + 2 * (1 - kb) * 255 / 224 * cb
        green = luma - (2 * (1 - kb) * kb * cb + 2 * (1 - kr) * kr * cr) * (255 / 224) / (1 - kr - kb)
        rgb = np.clip(np.stack([red, green, blue], axis=-1), 0, 255)
    placed = place(Recipe(), (SIDE, SIDE), (given.width, given.height))
    tensor = np.full((3, SIDE, SIDE), float(PAD))
    small = cv2.resize(rgb, (placed.width, placed.height), interpolation=cv2.INTER_LINEAR)
    tensor[:, placed.top : placed.top + placed.height] = small.transpose(2, 0, 1)
    return tensor / 255
