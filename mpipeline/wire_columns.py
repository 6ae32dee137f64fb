"""Findings as they cross a socket, inside a `PredictionReady`: raw little-endian columns. As for all structs that do,
new fields go last and have a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union


@dataclass(frozen=True, slots=True)
class WireMasks:
    """Masks of a frame of `width` x `height`, as in `mpipeline.masks`: a window 4 x int32 and a number of runs int32
    for each, and the runs of all of them, uint16.
    """

    width: int
    height: int
    window: bytes
    counts: bytes
    runs: bytes


@dataclass(frozen=True, slots=True)
class WireDetections:
    """Detections: xyxy 4 x float32, score float32, class id int32 a row.

    `names` has the names of the class ids that occur. `keypoint_names` has number → name for each key point of a
    detection, `keypoints` 3 x float32 for each of them. `tracker_id`: int64 a row.
    """

    xyxy: bytes
    score: bytes
    class_id: bytes
    names: Mapping[int, str]
    masks: Union[WireMasks, None] = None  # noqa: UP007 - evaluated at run time by the codec, on 3.10 too
    keypoints: Union[bytes, None] = None  # noqa: UP007
    keypoint_names: Mapping[int, str] = field(default_factory=dict)
    tracker_id: Union[bytes, None] = None  # noqa: UP007


@dataclass(frozen=True, slots=True)
class WireClassification:
    """A classification: score float32, class id int32 a class, and `names` by class id."""

    score: bytes
    class_id: bytes
    names: Mapping[int, str]
    multi_label: bool
    threshold: float


@dataclass(frozen=True, slots=True)
class WireEmbedding:
    """An embedding: its numbers, float32."""

    vector: bytes
