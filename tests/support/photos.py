"""Real pictures for tests of models, where the test data are there."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt
from support.data import DATA

from mpipeline.frame import Frame, FrameMeta


@functools.cache
def photos(count: int) -> tuple[npt.NDArray[np.uint8], ...]:
    """The first pictures of COCO in the test data, (H, W, 3) uint8 BGR, each of its own size."""
    paths = sorted((DATA / "images" / "coco_ccby").glob("*.jpg"))[:count]
    assert len(paths) == count
    return tuple(np.asarray(cv2.imread(str(path)), np.uint8) for path in paths)


def framed(image: npt.NDArray[np.uint8]) -> Frame:
    """A frame around a picture."""
    return Frame.from_bgr(FrameMeta("photo", 1, None, 0, 0, image.shape[1], image.shape[0]), image)
