"""Preprocessing for a GPU on a simulated one: launches, limits; that it makes the right rows is in tests/gpu."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.kernel_checks import preprocessed, random_picture
from support.plain_kernels import PlainKernels
from support.simulated_gpu import SimulatedGpu
from support.simulated_streams import SimulatedStream

from mpipeline.cuda.averages import Side, averages
from mpipeline.cuda.kernels import Kernels
from mpipeline.cuda.preprocess import DeviceFrame, Preprocessing, Target
from mpipeline.errors import BackendError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.models.yolo_classification import RECIPE as SMOOTH
from mpipeline.models.yolo_head import RECIPE as YOLO

TARGET = Target(96, 64, False, (1, 1, 1), (0, 0, 0), 114)
GRAY = FrameFormat(PixelFormat.GRAY8, 10, 10)


def test_a_batch_takes_one_launch_of_a_block_for_each_tile(
    gpu: SimulatedGpu, stream: SimulatedStream, plain_kernels: PlainKernels
) -> None:
    plain_kernels.launched.clear()
    pictures = [random_picture(FrameFormat(PixelFormat.NV12, 64, 36), np.random.default_rng(1))] * 5
    preprocessed(gpu, stream, YOLO, (65, 40), pictures, "float32")
    assert plain_kernels.launched == [("preprocess_f32", (3, 5, 5))]


def test_a_frame_in_a_slot_is_found_by_its_format() -> None:
    form = FrameFormat(PixelFormat.NV12, 100, 50)
    frame = DeviceFrame.of_payload(form, 4096, (64, 32, 0, 16))
    assert frame.planes == (4096, 4096 + 128 * 50)
    assert frame.strides == (128, 128)


@pytest.mark.parametrize(
    ("placement", "what"),
    [
        ((97, 64, 0, 0), "does not lie inside the target"),
        ((96, 64, 1, 0), "does not lie inside the target"),
        ((90, 60, 0, -1), "does not lie inside the target"),
        ((0, 60, 0, 0), "has no pixels"),
    ],
)
def test_what_would_write_outside_is_refused(
    gpu: SimulatedGpu, stream: SimulatedStream, placement: tuple[int, int, int, int], what: str
) -> None:
    kernels = Kernels(gpu)
    work = Preprocessing(gpu, kernels, TARGET, 2)
    frame = DeviceFrame(GRAY, (0,), (10,), placement)
    with pytest.raises(ValueError, match=what):
        work.run([frame], 0, stream)
    with pytest.raises(ValueError, match="3 frames do not fit a batch of 2"):
        work.run([frame] * 3, 0, stream)
    work.run([], 0, stream)
    assert not stream.work  # nothing is left in it
    work.free(), kernels.free()


def rows_of(gpu: SimulatedGpu, stream: SimulatedStream, work: Preprocessing, frames: list[DeviceFrame]) -> np.ndarray:
    """What becomes of a picture that is black."""
    planes, out = gpu.allocate(GRAY.width * GRAY.height), gpu.allocate(len(frames) * TARGET.row_bytes)
    gpu.fill(planes.address, 0, planes.size, stream)
    work.run([replace(frame, planes=(planes.address,)) for frame in frames], out.address, stream)
    rows = np.zeros((len(frames), 3, TARGET.height, TARGET.width), np.float32)
    gpu.download(rows.reshape(-1).view(np.uint8), out.address, stream)
    stream.synchronize()
    planes.free(), out.free()
    return rows


def test_a_smooth_picture_may_reach_beyond_the_target(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    """What is cut off is not missed; where there is no picture, or nothing of it, is padding."""
    kernels = Kernels(gpu)
    work = Preprocessing(gpu, kernels, replace(TARGET, smooth=True), 3)
    placements = [(200, 100, -50, -10), (50, 50, 80, -20), (50, 50, -50, 0)]
    whole, corner, nothing = rows_of(gpu, stream, work, [DeviceFrame(GRAY, (), (10,), place) for place in placements])
    assert (whole == 0).all()
    assert (corner[:, :30, 80:] == 0).all()
    assert (corner != 0).sum() == corner.size - 3 * 30 * 16
    assert (nothing == TARGET.pad).all()
    work.free(), kernels.free()


def test_averages_go_up_once_for_each_geometry(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    kernels = Kernels(gpu)
    work = Preprocessing(gpu, kernels, replace(TARGET, smooth=True), 2)
    frames = [DeviceFrame(GRAY, (), (10,), (96, 64, 0, 0))] * 2
    rows_of(gpu, stream, work, frames)
    kept = len(gpu.alive)
    rows_of(gpu, stream, work, frames)
    assert len(gpu.alive) == kept
    for width in range(1, 300):
        rows_of(gpu, stream, work, [DeviceFrame(GRAY, (), (10,), (width, 64, 0, 0))])
    assert len(gpu.alive) < kept + 150
    work.free(), kernels.free()


def test_there_is_no_memory_for_averages(gpu: SimulatedGpu, stream: SimulatedStream) -> None:
    """The batch is refused, nothing is left behind, and the next one is made."""
    kernels = Kernels(gpu)
    work = Preprocessing(gpu, kernels, replace(TARGET, smooth=True), 1)
    frames = [DeviceFrame(GRAY, (), (10,), (96, 64, 0, 0))]
    for call, number in (("allocate", 3), ("allocate", 4), ("upload", 1), ("upload", 2)):
        gpu.fails[call] = number
        before = len(gpu.alive)
        with pytest.raises(BackendError, match="simulated"):
            rows_of(gpu, stream, work, frames)
        stream.synchronize()
        for one in [one for one in gpu.alive[before:] if one.size in (100, TARGET.row_bytes)]:
            one.free()
    assert (rows_of(gpu, stream, work, frames) == 0).all()
    work.free(), kernels.free()


@pytest.mark.parametrize("side", [(1, 1), (1, 7), (7, 1), (10, 10), (1920, 224), (3, 640), (65535, 3)])
def test_averages_are_means_around_a_place(side: tuple[int, int]) -> None:
    source, whole = side
    first, count, *weights = averages(Side(source, whole, 0, whole))
    levels = np.array(weights).view(np.float32)
    np.testing.assert_allclose(levels.sum(axis=0), 1, rtol=1e-4)
    assert (first >= 0).all()
    assert (count >= 1).all()
    assert (first + count <= source).all()
    assert (np.diff(first) >= 0).all()
    assert (levels[np.arange(len(levels))[:, None] >= count] == 0).all()


def test_every_recipe_has_a_target_in_what_kernels_write() -> None:
    assert SMOOTH.gpu_target((224, 224), "float32") == Target(224, 224, False, (1 / 255,) * 3, (0,) * 3, 0, smooth=True)
    assert replace(YOLO, resize="crop").gpu_target((224, 224), "float16").smooth
    assert YOLO.gpu_target((640, 640), "uint8").row_bytes == 3 * 640 * 640
    assert YOLO.gpu_target((640, 640), "int8") is None
