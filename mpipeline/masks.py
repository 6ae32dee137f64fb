"""Masks: which pixels of a frame each detection covers, kept as runs so that hundreds of them stay small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Cover = npt.NDArray[np.bool_]
Window = tuple[int, int, int, int]
_LONGEST_RUN = 0xFFFF


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """The masks of N detections in a frame of `width` x `height` pixels.

    Mask i lies in the window `window[i]` (left, top, width, height; int32), no larger than it has to be: an empty mask
    has an empty one. `runs[first[i]:first[i + 1]]` (uint16) are lengths of runs over the window's pixels, row by row:
    uncovered, covered, uncovered, … in turn, beginning with uncovered, which may be 0; together they are the window.
    A run longer than 65535 is cut by a run of 0 of the other sort. Make one with `of` or `from_pictures`.
    """

    width: int
    height: int
    window: npt.NDArray[np.int32]
    runs: npt.NDArray[np.uint16]
    first: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.window)

    @staticmethod
    def of(width: int, height: int, parts: Iterable[tuple[int, int, Cover]]) -> Masks:
        """One mask for each (left, top, cover): `cover`, bool (h, w), lies there in the frame, the rest is empty."""
        return Masks.joined(width, height, (_trimmed(*part) for part in parts))

    @staticmethod
    def joined(width: int, height: int, parts: Iterable[tuple[Window, npt.NDArray[np.uint16]]]) -> Masks:
        """One mask for each window and its runs, as they stand in the columns."""
        windows, runs = [], []
        for window, part in parts:
            windows.append(window)
            runs.append(part)
        first = np.zeros(len(runs) + 1, np.int64)
        np.cumsum([len(each) for each in runs], out=first[1:])
        together = np.concatenate(runs) if runs else np.zeros(0, np.uint16)
        return Masks(width, height, np.array(windows, np.int32).reshape(-1, 4), together, first)

    @staticmethod
    def from_pictures(pictures: npt.NDArray[np.bool_]) -> Masks:
        """Masks from bool (N, height, width), as many models give them."""
        return Masks.of(pictures.shape[2], pictures.shape[1], ((0, 0, each) for each in pictures.astype(bool)))

    def cover(self, index: int) -> Cover:
        """Mask `index` inside its window, bool (h, w)."""
        _, _, width, height = self.window[index].tolist()
        runs = self._runs_of(index)
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return flat.reshape(height, width)

    def picture(self, index: int) -> Cover:
        """Mask `index` in the whole frame, bool (height, width)."""
        left, top, width, height = self.window[index].tolist()
        whole = np.zeros((self.height, self.width), bool)
        whole[top : top + height, left : left + width] = self.cover(index)
        return whole

    def area(self, index: int) -> int:
        """How many pixels mask `index` covers."""
        return int(self._runs_of(index)[1::2].sum(dtype=np.int64))

    def outline(self, index: int) -> npt.NDArray[np.int32]:
        """The outer contour with the most points, (P, 2) x, y in the frame; (0, 2) of an empty mask.

        As OpenCV finds it with RETR_EXTERNAL and CHAIN_APPROX_SIMPLE: holes and smaller parts are not in it.
        """
        import cv2

        left, top, width, height = self.window[index].tolist()
        if not width or not height:
            return np.zeros((0, 2), np.int32)
        levels = self.cover(index).view(np.uint8)
        found, _ = cv2.findContours(levels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top))
        return np.asarray(max(found, key=len), np.int32).reshape(-1, 2)

    def select(self, rows: npt.NDArray[np.integer] | Sequence[int]) -> Masks:
        """The masks of these rows, in this order."""
        parts = ((tuple(self.window[i].tolist()), self._runs_of(int(i))) for i in rows)
        return Masks.joined(self.width, self.height, parts)

    def check(self) -> None:
        """Raises ValueError unless every window lies in the frame and is what its runs add up to."""
        if self.window.shape != (len(self.first) - 1, 4) or (np.diff(self.first) < 0).any():
            raise ValueError("the windows and the runs of the masks differ in number")
        if self.first[0] != 0 or self.first[-1] != len(self.runs):
            raise ValueError("there are more or fewer runs than the masks have")
        left, top, width, height = self.window.astype(np.int64).T
        if (self.window < 0).any() or (left + width > self.width).any() or (top + height > self.height).any():
            raise ValueError(f"a mask lies outside the frame of {self.width} x {self.height}")
        sums = np.concatenate([[0], np.cumsum(self.runs, dtype=np.int64)])[self.first]
        if (np.diff(sums) != width * height).any():
            raise ValueError("the runs of a mask are not its window")

    def _runs_of(self, index: int) -> npt.NDArray[np.uint16]:
        return self.runs[self.first[index] : self.first[index + 1]]


def _trimmed(left: int, top: int, cover: Cover) -> tuple[Window, npt.NDArray[np.uint16]]:
    """The smallest window that has all that is covered, and its runs."""
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if not len(rows):
        return (0, 0, 0, 0), np.zeros(0, np.uint16)
    first, last = int(rows[0]), int(rows[-1]) + 1
    begin, end = int(columns[0]), int(columns[-1]) + 1
    return (left + begin, top + first, end - begin, last - first), _runs(cover[first:last, begin:end])


def _runs(cover: Cover) -> npt.NDArray[np.uint16]:
    flat = cover.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0, 0] if flat[0] else [0], edges, [len(flat)]]))
    if lengths.max() <= _LONGEST_RUN:
        return lengths.astype(np.uint16)
    pieces: list[int] = []
    for length in lengths.tolist():
        whole, rest = divmod(length, _LONGEST_RUN)
        pieces += [_LONGEST_RUN, 0] * whole + [rest]
    return np.array(pieces, np.uint16)
