"""Preprocessing for a GPU on a simulated one: launches, limits; that it makes the right rows is in tests/gpu."""

from __future__ import annotations

import numpy as np
import pytest
from support.kernel_checks import preprocessed, random_picture
from support.plain_kernels import PlainKernels
from support.simulated_gpu import SimulatedGpu
from support.simulated_streams import SimulatedStream

from mpipeline.cuda.kernels import Kernels
from mpipeline.cuda.preprocess import DeviceFrame, Preprocessing, Target
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.models.yolo_classification import RECIPE as SMOOTH
from mpipeline.models.yolo_head import RECIPE as YOLO


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


@pytest.mark.parametrize("placement", [(97, 64, 0, 0), (96, 64, 1, 0), (90, 60, 0, -1), (0, 60, 0, 0)])
def test_what_would_write_outside_is_refused(
    gpu: SimulatedGpu, stream: SimulatedStream, placement: tuple[int, int, int, int]
) -> None:
    kernels = Kernels(gpu)
    work = Preprocessing(gpu, kernels, Target(96, 64, False, (1, 1, 1), (0, 0, 0), 114), 2)
    frame = DeviceFrame(FrameFormat(PixelFormat.GRAY8, 10, 10), (0,), (10,), placement)
    with pytest.raises(ValueError, match="does not lie inside the target"):
        work.run([frame], 0, stream)
    with pytest.raises(ValueError, match="3 frames do not fit a batch of 2"):
        work.run([frame] * 3, 0, stream)
    work.run([], 0, stream)
    assert not stream.work  # nothing is left in it
    work.free(), kernels.free()


def test_what_no_kernel_does_stays_on_the_processor() -> None:
    assert SMOOTH.gpu_target((224, 224), "float32") is None
    assert YOLO.gpu_target((640, 640), "uint8") is None
