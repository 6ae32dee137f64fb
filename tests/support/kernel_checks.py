"""What the kernels must do on any GPU, a simulated one too: batches, and what is expected of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from support.detector_outputs import Detector, Outputs
from support.pictures import Pixels, frame_of

from mpipeline.cuda.detect import Detection, Head, Kept, Rules
from mpipeline.cuda.driver import DeviceMemory
from mpipeline.cuda.kernels import Kernels
from mpipeline.cuda.preprocess import DeviceFrame, Preprocessing
from mpipeline.frame import ColorMatrix, FrameFormat, PixelFormat
from mpipeline.models.family import ModelOptions
from mpipeline.models.preprocess import Preprocessor, Recipe, place
from mpipeline.prediction import Detections

Picture = tuple[FrameFormat, tuple[Pixels, ...]]
Size = tuple[int, int]
Dtype = Literal["float32", "float16", "uint8"]


def random_picture(form: FrameFormat, rng: np.random.Generator, spare: int = 3) -> Picture:
    """Planes of random bytes, all levels, with `spare` bytes behind each row."""
    shapes = [(plane.rows, plane.row_bytes) for plane in form.planes()]
    wide = [rng.integers(0, 256, (rows, size + spare), np.uint8) for rows, size in shapes]
    return form, tuple(whole[:, :size] for whole, (_, size) in zip(wide, shapes, strict=True))


def pictures_of_every_kind(rng: np.random.Generator) -> list[Picture]:
    """All formats, colours and ranges; sizes even and odd, tiny, and larger than a target."""
    sizes = [(640, 360), (641, 361), (97, 333), (33, 17), (2, 2), (1, 1), (1, 50), (200, 3)]
    colors = [(matrix, full) for matrix in ColorMatrix for full in (False, True)]
    forms = [FrameFormat(pixels, *size) for pixels in PixelFormat for size in sizes]
    forms += [FrameFormat(PixelFormat.I420, 131, 77, *color) for color in colors]
    forms += [FrameFormat(PixelFormat.NV12, 130, 78, *color) for color in colors]
    return [random_picture(form, rng) for form in forms]


def passed(recipe: Recipe, size: Size, pictures: Sequence[Picture], dtype: Dtype) -> npt.NDArray[Any]:
    """The batch as the pass on the processor makes it."""
    rows = np.zeros((len(pictures), 3, size[1], size[0]), dtype)
    pass_ = Preprocessor(recipe, size)
    for row, (form, planes) in zip(rows, pictures, strict=True):
        pass_.run(frame_of(form, planes), row)
    return rows


def preprocessed(
    gpu: Any, stream: Any, recipe: Recipe, size: Size, pictures: Sequence[Picture], dtype: Dtype
) -> npt.NDArray[Any]:
    """The batch as the GPU makes it: planes and target in device memory."""
    kernels, target = Kernels(gpu), recipe.gpu_target(size, dtype)
    assert target is not None
    work = Preprocessing(gpu, kernels, target, len(pictures))
    memory: list[DeviceMemory] = [gpu.allocate(len(pictures) * target.row_bytes)]
    frames = []
    for form, planes in pictures:
        spans = [(plane.shape[0] - 1) * plane.strides[0] + plane.shape[1] for plane in planes]
        flat = [np.lib.stride_tricks.as_strided(p, (n,), (1,)) for p, n in zip(planes, spans, strict=True)]
        there = [gpu.allocate(span) for span in spans]
        for here, piece in zip(flat, there, strict=True):
            gpu.upload(piece.address, here, stream)
        placed = place(recipe, size, (form.width, form.height))
        strides = tuple(plane.strides[0] for plane in planes)
        where = (placed.width, placed.height, placed.left, placed.top)
        frames.append(DeviceFrame(form, tuple(piece.address for piece in there), strides, where))
        memory += there
    work.run(frames, memory[0].address, stream)
    rows = np.zeros((len(pictures), 3, size[1], size[0]), dtype)
    gpu.download(rows.reshape(-1).view(np.uint8), memory[0].address, stream)
    stream.synchronize()
    for thing in (work, kernels, *memory):
        thing.free()
    return rows


def detected(gpu: Any, stream: Any, head: Head, rules: Rules, output: npt.NDArray[Any]) -> list[Kept]:
    """What the GPU keeps of a batch, an output that lies in device memory."""
    kernels = Kernels(gpu)
    work = Detection(gpu, kernels, head, rules, len(output), stream)
    there = gpu.allocate(output.nbytes)
    here = np.ascontiguousarray(output).reshape(-1).view(np.uint8)
    gpu.upload(there.address, here, stream)
    work.run(there.address, len(output), stream)
    stream.synchronize()
    found = work.found(len(output))
    for thing in (work, kernels, there):
        thing.free()
    return found


def assert_found(
    gpu: Any, stream: Any, detector: Detector, options: ModelOptions, outputs: Outputs, classes: int
) -> list[Kept]:
    """That the GPU finds in these outputs what the family finds on the processor; and what that was."""
    family, geometries = detector.family(outputs, options, classes), [detector.geometry] * len(outputs)
    others = detector.further(np.random.default_rng(1), outputs)
    plan = family.gpu_detection({"output": outputs})
    assert plan is not None
    kept = detected(gpu, stream, plan.head, plan.rules, outputs)
    assert set(plan.others) == set(others)
    expected = family.postprocess({plan.output: outputs, **others}, geometries)
    for ours, theirs in zip(plan.findings(kept, geometries, others), expected, strict=True):
        np.testing.assert_allclose(ours.xyxy, theirs.xyxy, rtol=0, atol=detector.tolerance)
        _equal_but_for_boxes(ours, theirs)
    return kept


def _equal_but_for_boxes(ours: Detections, theirs: Detections) -> None:
    """To the last bit."""
    np.testing.assert_array_equal(ours.class_id, theirs.class_id)
    np.testing.assert_array_equal(ours.score, theirs.score)
    assert (ours.class_name, ours.keypoint_name) == (theirs.class_name, theirs.keypoint_name)
    np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)
    assert (ours.masks is None) == (theirs.masks is None)
    if ours.masks is not None and theirs.masks is not None:
        np.testing.assert_array_equal(ours.masks.window, theirs.masks.window)
        np.testing.assert_array_equal(ours.masks.runs, theirs.masks.runs)
