"""Masks in the run-length form of the COCO data set, which many tools read.

Counts of pixels column by column over the whole frame, uncovered and covered in turn, written as text: from the third
on each count is told as its difference to the one two before it; five bits a character from the lowest, the sixth bit
says that more follow, and 48 is added. Source: `common/maskApi.c` of cocoapi (rleEncode, rleToString).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mpipeline.masks import Masks


def coco_runs(masks: Masks, index: int) -> dict[str, Any]:
    """Mask `index` as `{"size": [height, width], "counts": text}`."""
    return {"size": [masks.height, masks.width], "counts": _text(_counts(masks, index))}


def _counts(masks: Masks, index: int) -> list[int]:
    left, top, width, height = masks.window[index].tolist()
    strip = np.zeros((masks.height, width), bool)  # the window's columns, each as high as the frame
    strip[top : top + height] = masks.cover(index)
    flat = strip.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=False, append=False)) + left * masks.height
    counts: list[int] = np.diff(changes, prepend=0, append=masks.width * masks.height).tolist()
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def _text(counts: list[int]) -> str:
    letters = []
    for i, count in enumerate(counts):
        rest, more = count - (counts[i - 2] if i > 2 else 0), True
        while more:
            bits, rest = rest & 0x1F, rest >> 5
            more = rest != (-1 if bits & 0x10 else 0)
            letters.append(chr(bits + (0x20 if more else 0) + 48))
    return "".join(letters)
