"""What a family tells a GPU that is to find its boxes, and what it makes of those that were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpipeline.cuda.detect import LIMIT, Head, Kept, Rules
from mpipeline.models.nms import Selection
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry


@dataclass(frozen=True, slots=True)
class GpuDetection:
    """How the boxes in the output of that name are found; `mpipeline.cuda.detect.Detection` does it."""

    output: str
    head: Head
    selection: Selection

    @property
    def rules(self) -> Rules:
        """What is kept."""
        return self.selection.rules

    def findings(self, kept: Sequence[Kept], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each frame, as `Family.postprocess` gives them."""
        return [
            self.selection.placed(one.xyxy, one.score, one.class_id, geometry)[0]
            for one, geometry in zip(kept, geometries, strict=True)
        ]


def gpu_detection(output: str, head: Head, selection: Selection) -> GpuDetection | None:
    """None if the kernels do not take numbers of that dtype, or do not keep so many boxes."""
    fits = head.dtype in ("float32", "float16") and 1 <= selection.rules.most <= LIMIT
    return GpuDetection(output, head, selection) if fits else None
