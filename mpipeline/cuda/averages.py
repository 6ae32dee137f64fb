"""The averages of a resize that smooths, as the kernel wants them in device memory: kept for each geometry.

Every target pixel is the mean of the source pixels around its place, weighted by a triangle that is as wide as the
picture shrinks. The arithmetic is that of the pass on the processor (native/src/smooth_taps.hpp), step by step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mpipeline.cuda.driver import Address, Bytes, DeviceMemory, Gpu, Stream

_MOST_KEPT = 128  # sides of pictures


class Side(NamedTuple):
    """Of `source` samples that are resized to `whole` pixels, the pixels `begin` to `end`, which the target shows."""

    source: int
    whole: int
    begin: int
    end: int

    @staticmethod
    def seen(source: int, whole: int, offset: int, target: int) -> Side:
        """What a target of `target` pixels shows of `whole` that begin at `offset`; nothing if `end` <= `begin`."""
        return Side(source, whole, max(-offset, 0), min(whole, target - offset))


def averages(side: Side) -> npt.NDArray[np.int32]:
    """For each pixel of a side a column: the first sample, how many they are, then the weights, float32 in their bits.

    (2 + most, pixels). The weights of a pixel sum up to 1; behind the last one there are zeros.
    """
    scale = side.source / side.whole
    reach = max(scale, 1.0)
    centres = (np.arange(side.begin, side.end) + 0.5) * scale
    first = np.maximum((centres - reach + 0.5).astype(np.int32), 0)
    last = np.minimum((centres + reach + 0.5).astype(np.int32), side.source)
    samples = first + np.arange((last - first).max())[:, None]
    triangle = np.maximum(1.0 - np.abs(samples + 0.5 - centres) / reach, 0.0)
    triangle[samples >= last] = 0.0
    weights = (triangle / np.cumsum(triangle, axis=0)[-1]).astype(np.float32)  # one after the other, not in pairs
    return np.concatenate([first[None], (last - first)[None], weights.view(np.int32)])


class Averages:
    """Those of all sides that were asked for, in device memory."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._kept: dict[Side, tuple[Bytes, DeviceMemory]] = {}

    def limit(self) -> None:
        """Forgets them when they have become many. No stream may have work left that uses them."""
        if len(self._kept) > _MOST_KEPT:
            self.free()

    def of(self, side: Side, stream: Stream) -> Address:
        """Where they are for what comes later in the stream. Raises BackendError if there is no memory left."""
        if side not in self._kept:
            here = averages(side).reshape(-1).view(np.uint8)
            there = self._gpu.allocate(here.nbytes)
            try:
                self._gpu.upload(there.address, here, stream)
            except BaseException:
                there.free()
                raise
            self._kept[side] = here, there
        return self._kept[side][1].address

    def free(self) -> None:
        """Gives the memory back. No stream may have work left that uses it."""
        for _, there in self._kept.values():
            there.free()
        self._kept.clear()
