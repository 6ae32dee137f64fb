"""What a family tells a GPU that is to find its boxes, and what it makes of those that were found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mpipeline.cuda.detect import LIMIT, Head, Kept, Rules
from mpipeline.models.nms import Reading, Selection
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, Tensor

Finish = Callable[[Sequence[Reading], Mapping[str, Tensor], Sequence[Geometry]], list[Detections]]
"""What a family makes of readings, with the other outputs, wherever the boxes were found."""


def boxes_alone(readings: Sequence[Reading], _: Mapping[str, Tensor], __: Sequence[Geometry]) -> list[Detections]:
    """Of a family that finds nothing but boxes."""
    return [reading.found for reading in readings]


@dataclass(frozen=True, slots=True)
class GpuDetection:
    """How the boxes in the output of that name are found; `mpipeline.cuda.detect.Detection` does it.

    `others` are the names of the outputs that are needed besides, and come down whole.
    """

    output: str
    head: Head
    selection: Selection
    finish: Finish = boxes_alone
    others: tuple[str, ...] = ()

    @property
    def rules(self) -> Rules:
        """What is kept."""
        return self.selection.rules

    def findings(
        self, kept: Sequence[Kept], geometries: Sequence[Geometry], outputs: Mapping[str, Tensor]
    ) -> list[Detections]:
        """The detections of each frame, as `Family.postprocess` gives them.

        `outputs` has `others` by name, each (batch, ...); rows beyond `geometries` are padding. Raises ModelError if
        one of them is not of its shape.
        """
        readings = [
            self.selection.reading(one.xyxy, one.score, one.class_id, one.more, geometry)
            for one, geometry in zip(kept, geometries, strict=True)
        ]
        return self.finish(readings, outputs, geometries)


def gpu_detection(
    output: str, head: Head, selection: Selection, finish: Finish = boxes_alone, others: tuple[str, ...] = ()
) -> GpuDetection | None:
    """None if the kernels do not take numbers of that dtype, or do not keep so many boxes."""
    fits = head.dtype in ("float32", "float16") and 1 <= selection.rules.most <= LIMIT
    return GpuDetection(output, head, selection, finish, others) if fits else None
