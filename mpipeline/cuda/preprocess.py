"""Preprocessing on a GPU: frames of any format in device memory become rows of a model's input, in one launch.

The kernel makes what the native pass on the processor makes, to the last bit: resize, colours, placement, padding and
normalisation, in float32 and in float16. What it does not have is the resize that averages (`Recipe.smooth`), and input
in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpipeline.cuda.driver import Address, Gpu, Stream
from mpipeline.cuda.kernels import Kernels
from mpipeline.frame import FrameFormat

Triple = tuple[float, float, float]

_TILE = (32, 8)  # pixels of the target that a block makes: kTileWidth and kTileHeight in preprocess_kernel.hpp
_KERNELS = {"float32": "preprocess_f32", "float16": "preprocess_f16"}

# PreprocessJob and FrameJob of preprocess_kernel.hpp
JOB = np.dtype([("out", "u8"), ("size", "i4", 2), ("bgr", "i4"), ("scale", "f4", 3), ("bias", "f4", 3), ("pad", "f4")])
FRAME = np.dtype(
    [
        ("planes", "u8", 3),
        ("strides", "i8", 3),
        ("steps", "f8", 2),
        ("format", "i4"),
        ("color", "i4"),
        ("size", "i4", 2),
        ("placement", "i4", 4),
    ]
)


@dataclass(frozen=True, slots=True)
class Target:
    """A model's input of (3, height, width): value = level * scale + bias, levels 0..255, in the order of the channels.

    `pad` is the level of what a picture does not cover.
    """

    width: int
    height: int
    bgr: bool
    scale: Triple
    bias: Triple
    pad: float
    dtype: str = "float32"  # or float16

    @property
    def row_bytes(self) -> int:
        """What one row of the batch takes."""
        return 3 * self.width * self.height * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class DeviceFrame:
    """A frame in device memory: where its planes are, the bytes from one of their rows to the next, and its placement.

    The placement is (width, height, left, top) of the resized picture in the target, and lies inside of it.
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
        self._here, self._there = gpu.allocate_host(size), gpu.allocate(size)
        tiles = [-(-pixels // tile) for pixels, tile in zip((target.width, target.height), _TILE, strict=True)]
        self._grid = (tiles[0], tiles[1])

    def run(self, frames: Sequence[DeviceFrame], out: Address, stream: Stream) -> None:
        """Puts into the stream that the first rows of the batch at `out` become these frames; others stay as they are.

        The frames stay where they are, and this is not called again, until that is done. Raises ValueError if there are
        more frames than rows, or a placement does not lie inside the target.
        """
        if len(frames) > self._rows:
            raise ValueError(f"{len(frames)} frames do not fit a batch of {self._rows}")
        if not frames:
            return
        target, used = self._target, JOB.itemsize + len(frames) * FRAME.itemsize
        here = self._here.array[:used]
        size = (target.width, target.height)
        here[: JOB.itemsize].view(JOB)[0] = (out, size, target.bgr, target.scale, target.bias, target.pad)
        jobs = here[JOB.itemsize :].view(FRAME)
        for i, frame in enumerate(frames):
            jobs[i] = self._job(frame)
        self._gpu.upload(self._there.address, here, stream)
        job = np.uint64(self._there.address)
        self._kernels.launch(_KERNELS[target.dtype], (*self._grid, len(frames)), [job], stream)

    def _job(self, frame: DeviceFrame) -> tuple[object, ...]:
        """The values of a FrameJob."""
        form, (width, height, left, top) = frame.format, frame.placement
        if min(width, height) < 1 or min(left, top) < 0:
            raise ValueError(f"the placement {frame.placement} does not lie inside the target")
        if left + width > self._target.width or top + height > self._target.height:
            raise ValueError(f"the placement {frame.placement} does not lie inside the target")
        unused = (0,) * (3 - len(frame.planes))
        return (
            frame.planes + unused,
            frame.strides + unused,
            (form.width / width, form.height / height),
            form.pixel_format,
            2 * form.matrix + form.full_range,
            (form.width, form.height),
            frame.placement,
        )

    def free(self) -> None:
        """Gives its memory back. No stream may have work left that uses it."""
        self._here.free()
        self._there.free()
