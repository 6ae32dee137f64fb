"""Preprocessing on a GPU: frames of any format in device memory become rows of a model's input, in one launch.

The kernels make what the native passes on the processor make, to the last bit: resize, with averages of what shrinks or
without, colours, placement, padding and normalisation, in float32, float16 and bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpipeline.cuda.averages import Averages, Side
from mpipeline.cuda.driver import Address, Gpu, Stream
from mpipeline.cuda.kernels import Kernels
from mpipeline.frame import FrameFormat

Triple = tuple[float, float, float]

_TILE = (32, 8)  # pixels of the target that a block makes: kTileWidth and kTileHeight in preprocess_kernel.hpp
_ELEMENTS = {"float32": "f32", "float16": "f16", "uint8": "u8"}  # as the names of the kernels end

# PreprocessJob and FrameJob of preprocess_kernel.hpp
JOB = np.dtype([("out", "u8"), ("size", "i4", 2), ("bgr", "i4"), ("scale", "f4", 3), ("bias", "f4", 3), ("pad", "f4")])
FRAME = np.dtype(
    [
        ("planes", "u8", 3),
        ("strides", "i8", 3),
        ("steps", "f8", 2),
        ("averages", "u8", 2),
        ("format", "i4"),
        ("color", "i4"),
        ("size", "i4", 2),
        ("placement", "i4", 4),
    ]
)


@dataclass(frozen=True, slots=True)
class Target:
    """A model's input of (3, height, width): value = level * scale + bias, levels 0..255, in the order of the channels.

    `pad` is the level of what a picture does not cover. Bytes are values of 0 to 255, rounded to the nearest. `smooth`:
    what shrinks is averaged, and a placement may reach beyond the target.
    """

    width: int
    height: int
    bgr: bool
    scale: Triple
    bias: Triple
    pad: float
    dtype: str = "float32"  # or float16, or uint8
    smooth: bool = False

    @property
    def row_bytes(self) -> int:
        """What one row of the batch takes."""
        return 3 * self.width * self.height * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class DeviceFrame:
    """A frame in device memory: where its planes are, the bytes from one of their rows to the next, and its placement.

    The placement is (width, height, left, top) of the resized picture in the target. It lies inside of it; where the
    target is smooth it may reach beyond, and what lies outside is cut off.
    """

    format: FrameFormat
    planes: tuple[Address, ...]
    strides: tuple[int, ...]
    placement: tuple[int, int, int, int]

    @staticmethod
    def of_payload(form: FrameFormat, payload: Address, placement: tuple[int, int, int, int]) -> DeviceFrame:
        """A frame whose planes lie as in a slot of a ring."""
        planes = form.planes()
        addresses = tuple(payload + plane.offset for plane in planes)
        return DeviceFrame(form, addresses, tuple(plane.stride for plane in planes), placement)


class Preprocessing:
    """Writes batches of one model. Each batch that is in flight needs one of its own."""

    def __init__(self, gpu: Gpu, kernels: Kernels, target: Target, rows: int) -> None:
        """For batches of at most `rows` frames."""
        self._gpu, self._kernels, self._target, self._rows = gpu, kernels, target, rows
        size = JOB.itemsize + rows * FRAME.itemsize
        self._averages = Averages(gpu)
        self._here = gpu.allocate_host(size)
        try:
            self._there = gpu.allocate(size)
        except BaseException:
            self._here.free()
            raise
        tiles = [-(-pixels // tile) for pixels, tile in zip((target.width, target.height), _TILE, strict=True)]
        self._grid = (tiles[0], tiles[1])

    def run(self, frames: Sequence[DeviceFrame], out: Address, stream: Stream) -> None:
        """Puts into the stream that the first rows of the batch at `out` become these frames; others stay as they are.

        The frames stay where they are, and this is not called again, until that is done. Raises ValueError if there are
        more frames than rows, or a placement is impossible; BackendError if there is no memory for averages.
        """
        if len(frames) > self._rows:
            raise ValueError(f"{len(frames)} frames do not fit a batch of {self._rows}")
        for frame in frames:
            self._check(frame.placement)
        if not frames:
            return
        target, used = self._target, JOB.itemsize + len(frames) * FRAME.itemsize
        here = self._here.array[:used]
        size = (target.width, target.height)
        here[: JOB.itemsize].view(JOB)[0] = (out, size, target.bgr, target.scale, target.bias, target.pad)
        jobs = here[JOB.itemsize :].view(FRAME)
        self._averages.limit()
        for i, frame in enumerate(frames):
            jobs[i] = self._job(frame, stream)
        self._gpu.upload(self._there.address, here, stream)
        kernel = f"preprocess_{'smooth_' if target.smooth else ''}{_ELEMENTS[target.dtype]}"
        self._kernels.launch(kernel, (*self._grid, len(frames)), [np.uint64(self._there.address)], stream)

    def _check(self, placement: tuple[int, int, int, int]) -> None:
        width, height, left, top = placement
        if min(width, height) < 1:
            raise ValueError(f"the placement {placement} has no pixels")
        inside = min(left, top) >= 0 and left + width <= self._target.width and top + height <= self._target.height
        if not inside and not self._target.smooth:
            raise ValueError(f"the placement {placement} does not lie inside the target")

    def _job(self, frame: DeviceFrame, stream: Stream) -> tuple[object, ...]:
        """The values of a FrameJob."""
        form, (width, height, _, _) = frame.format, frame.placement
        placement, averages = self._seen(frame, stream) if self._target.smooth else (frame.placement, (0, 0))
        unused = (0,) * (3 - len(frame.planes))
        return (
            frame.planes + unused,
            frame.strides + unused,
            (form.width / width, form.height / height),
            averages,
            form.pixel_format,
            2 * form.matrix + form.full_range,
            (form.width, form.height),
            placement,
        )

    def _seen(self, frame: DeviceFrame, stream: Stream) -> tuple[tuple[int, int, int, int], tuple[Address, Address]]:
        """The rectangle of the target that the picture covers, and the averages of its columns and rows."""
        form, (width, height, left, top) = frame.format, frame.placement
        across = Side.seen(form.width, width, left, self._target.width)
        down = Side.seen(form.height, height, top, self._target.height)
        if across.begin >= across.end or down.begin >= down.end:
            return (0, 0, 0, 0), (0, 0)
        covered = (across.end - across.begin, down.end - down.begin, max(left, 0), max(top, 0))
        return covered, (self._averages.of(across, stream), self._averages.of(down, stream))

    def free(self) -> None:
        """Gives its memory back. No stream may have work left that uses it."""
        self._averages.free()
        self._here.free()
        self._there.free()
