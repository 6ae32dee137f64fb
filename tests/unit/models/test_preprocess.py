"""The native pass against OpenCV and numpy: every format, odd and tiny sizes, up and down, both modes, both dtypes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from support.pictures import exact_bgr, frame_of, planes_of, scene

from mpipeline import _native
from mpipeline.frame import ColorMatrix, FrameFormat, PixelFormat
from mpipeline.models.family import Normalisation
from mpipeline.models.preprocess import Placement, Preprocessor, Recipe, place
from mpipeline.models.yolo_head import RECIPE as YOLO
from mpipeline.models.yolox import RECIPE as YOLOX
from mpipeline.ring.pixels import to_bgr

MEAN_TOLERANCE, MAX_TOLERANCE = 0.5, 1.5  # of 255 levels, as mpipeline.models.preprocess promises

SIZES = [
    (1920, 1080),
    (641, 361),
    (642, 362),
    (97, 333),
    (33, 17),
    (64, 64),
    (16, 1),
    (2, 2),
    (1, 1),
    (1, 50),
    (3, 200),
]
TARGETS = [(64, 64), (96, 64), (33, 47), (320, 256)]
LEVELS = Recipe(scale=1.0)
SMOOTH = replace(LEVELS, order="bgr", resize="crop", smooth=True)


def reference(recipe: Recipe, target: tuple[int, int], bgr: np.ndarray) -> np.ndarray:
    """cv2.resize of the byte picture, padding and normalisation, in the clearest way."""
    placed = place(recipe, target, (bgr.shape[1], bgr.shape[0]))
    canvas = np.full((target[1], target[0], 3), recipe.pad, np.float32)
    resized = cv2.resize(bgr, (placed.width, placed.height), interpolation=cv2.INTER_LINEAR)
    canvas[placed.top : placed.top + placed.height, placed.left : placed.left + placed.width] = resized
    ordered = canvas if recipe.order == "bgr" else canvas[:, :, ::-1]
    normalised = (ordered * recipe.scale - np.array(recipe.mean)) / np.array(recipe.std)
    return normalised.transpose(2, 0, 1)


def run(recipe: Recipe, target: tuple[int, int], form: FrameFormat, planes, dtype=np.float32) -> np.ndarray:
    out = np.full((3, target[1], target[0]), -7, dtype)
    Preprocessor(recipe, target).run(frame_of(form, planes), out)
    return out


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_equals_opencv(pixel_format: PixelFormat, size: tuple[int, int], resize: str) -> None:
    form = FrameFormat(pixel_format, *size, ColorMatrix.BT709)
    planes = planes_of(form, scene(*size), spare=5)
    bgr = np.rint(exact_bgr(form, planes)).astype(np.uint8)
    for target in TARGETS:
        recipe = replace(LEVELS, resize=resize)
        difference = np.abs(run(recipe, target, form, planes) - reference(recipe, target, bgr))
        assert difference.mean() <= MEAN_TOLERANCE
        assert difference.max() <= MAX_TOLERANCE


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", list(ColorMatrix))
@pytest.mark.parametrize("pixel_format", [PixelFormat.I420, PixelFormat.NV12])
def test_each_matrix_and_range(pixel_format: PixelFormat, matrix: ColorMatrix, full_range: bool) -> None:
    form = FrameFormat(pixel_format, 101, 67, matrix, full_range)
    planes = planes_of(form, scene(101, 67))
    exact = exact_bgr(form, planes)
    converted = to_bgr(form, planes)
    assert converted.shape == (67, 101, 3)
    assert np.abs(converted - exact).max() <= 1.0
    tensor = run(replace(LEVELS, order="bgr"), (101, 67), form, planes)
    assert np.abs(tensor.transpose(1, 2, 0) - exact).max() <= 0.05


@pytest.mark.parametrize("pixel_format", [PixelFormat.I420, PixelFormat.NV12])
def test_any_bytes_are_colours(pixel_format: PixelFormat) -> None:
    """Also YUV values that no colour has: every luma with every chroma, in both paths."""
    values = np.arange(256, dtype=np.uint8)
    luma = np.tile(values, (512, 1))
    u, v = np.tile(values[:128] * 2, (256, 1)), np.repeat(values[:, None], 128, axis=1)
    chroma = (u, v) if pixel_format is PixelFormat.I420 else (np.stack([u, v], axis=2).reshape(256, 256),)
    for matrix in ColorMatrix:
        form = FrameFormat(pixel_format, 256, 512, matrix)
        planes = (luma, *chroma)
        assert np.abs(to_bgr(form, planes) - exact_bgr(form, planes)).max() <= 1.0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_to_bgr_of_any_size(pixel_format: PixelFormat, size: tuple[int, int]) -> None:
    form = FrameFormat(pixel_format, *size)
    planes = planes_of(form, scene(*size), spare=3)
    converted = to_bgr(form, planes)
    assert np.abs(converted - exact_bgr(form, planes)).max() <= 1.0
    assert converted.flags.owndata or converted.base is not None
    assert converted.flags.writeable


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_the_fast_path_equals_the_portable_one(pixel_format: PixelFormat) -> None:
    rng = np.random.default_rng(5)
    for size in SIZES:
        form = FrameFormat(pixel_format, *size)
        planes = tuple(rng.integers(0, 256, (p.rows, p.row_bytes), np.uint8) for p in form.planes())
        arguments = (form.pixel_format, *size, form.matrix, form.full_range, planes)
        assert np.array_equal(_native.to_bgr(*arguments, portable=True), _native.to_bgr(*arguments))
        for dtype in (np.float32, np.float16):
            rows = [np.empty((3, 45, 77), dtype) for _ in range(2)]
            for portable in (False, True):
                native = _native.Preprocessor(77, 45, False, (0.017, 0.3, 1.0), (-2.1, 0.0, 3.0), 114.0, portable)
                native.run(rows[portable], *arguments, (70, 40, 3, 2))
            assert np.array_equal(rows[0], rows[1])


@pytest.mark.parametrize("recipe", [YOLO, YOLOX], ids=["yolo", "yolox"])
def test_the_recipes_of_the_families(recipe: Recipe) -> None:
    form = FrameFormat(PixelFormat.NV12, 641, 361)
    planes = planes_of(form, scene(641, 361))
    bgr = np.rint(exact_bgr(form, planes)).astype(np.uint8)
    for target in [(416, 416), (640, 384)]:
        difference = np.abs(run(recipe, target, form, planes) - reference(recipe, target, bgr)) / recipe.scale
        assert difference.mean() <= MEAN_TOLERANCE
        assert difference.max() <= MAX_TOLERANCE


def test_half_precision_is_the_single_one_rounded() -> None:
    form = FrameFormat(PixelFormat.I420, 333, 211)
    planes = planes_of(form, scene(333, 211))
    recipe = replace(YOLO, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    single, half = (run(recipe, (128, 96), form, planes, dtype) for dtype in (np.float32, np.float16))
    assert np.array_equal(single.astype(np.float16), half)


def test_mean_and_std_are_those_of_the_channels_in_their_order() -> None:
    form = FrameFormat(PixelFormat.BGR24, 1, 1)
    planes = (np.array([[10, 20, 30]], np.uint8),)
    recipe = Recipe(order="rgb", scale=0.1, mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0), resize="stretch")
    assert run(recipe, (1, 1), form, planes).ravel().tolist() == pytest.approx([2.0, 0.0, -0.5])


def test_overrides_change_only_what_they_say() -> None:
    changed = YOLOX.overridden(Normalisation(order="rgb", pad=0.0))
    assert changed == replace(YOLOX, order="rgb", pad=0.0)


@pytest.mark.parametrize(
    ("recipe", "target", "source", "expected"),
    [
        (YOLOX, (416, 416), (1920, 1080), Placement(416, 234, 0, 0)),
        (YOLOX, (416, 416), (768, 432), Placement(416, 233, 0, 0)),
        (YOLO, (640, 640), (1920, 1080), Placement(640, 360, 0, 140)),
        (YOLO, (640, 640), (641, 361), Placement(640, 360, 0, 140)),
        (YOLO, (640, 640), (333, 500), Placement(426, 640, 107, 0)),
        (YOLO, (640, 480), (100, 100), Placement(480, 480, 80, 0)),
        (YOLO, (64, 64), (5000, 1), Placement(64, 1, 0, 31)),
        (replace(YOLO, resize="stretch"), (320, 240), (77, 1001), Placement(320, 240, 0, 0)),
        (SMOOTH, (224, 224), (1920, 1080), Placement(398, 224, -87, 0)),
        (SMOOTH, (224, 224), (480, 641), Placement(224, 299, 0, -38)),
        (SMOOTH, (224, 224), (100, 100), Placement(224, 224, 0, 0)),
        (SMOOTH, (224, 160), (100, 300), Placement(224, 160, 0, 0)),
    ],
)
def test_placement(recipe: Recipe, target, source, expected: Placement) -> None:
    assert place(recipe, target, source) == expected


def test_geometry_leads_back_to_the_source() -> None:
    form = FrameFormat(PixelFormat.GRAY8, 1000, 500)
    geometry = Preprocessor(YOLO, (640, 640)).run(
        frame_of(form, (np.zeros((500, 1000), np.uint8),)), np.empty((3, 640, 640), np.float32)
    )
    corners = np.array([[0, 160, 640, 480], [-50, 0, 320, 320]], np.float32)
    assert geometry.to_source(corners).tolist() == [[0, 0, 1000, 500], [0, 0, 500, 250]]


def test_geometry_of_a_rounded_size_is_the_ratio() -> None:
    """432 * (416 / 768) is 233.99… and rounds down to 233; YOLOX's own tools divide by the ratio all the same."""
    frame = frame_of(FrameFormat(PixelFormat.GRAY8, 768, 432), (np.zeros((432, 768), np.uint8),))
    row = np.empty((3, 416, 416), np.float32)
    geometry = Preprocessor(YOLOX, (416, 416)).run(frame, row)
    assert geometry.scale_x == geometry.scale_y == 416 / 768
    assert (row[:, 232] == 0).all()
    assert (row[:, 233:] == 114).all()
    stretched = Preprocessor(replace(YOLOX, resize="stretch"), (416, 416)).run(frame, row)
    assert (stretched.scale_x, stretched.scale_y) == (416 / 768, 416 / 432)


def test_one_preprocessor_serves_many_geometries() -> None:
    preprocessor = Preprocessor(YOLO, (64, 48))
    for width in range(1, 150):
        form = FrameFormat(PixelFormat.I420, width, 20)
        planes = planes_of(form, scene(width, 20))
        out, fresh = np.empty((3, 48, 64), np.float32), np.empty((3, 48, 64), np.float32)
        preprocessor.run(frame_of(form, planes), out)
        Preprocessor(YOLO, (64, 48)).run(frame_of(form, planes), fresh)
        assert np.array_equal(out, fresh)


def pillow(bgr: np.ndarray, target: tuple[int, int], placed: Placement) -> np.ndarray:
    """What Pillow makes of a picture, cut out or padded with 114."""
    resized = np.asarray(Image.fromarray(bgr).resize((placed.width, placed.height), Image.Resampling.BILINEAR))
    canvas = np.full((target[1] + 2 * placed.height, target[0] + 2 * placed.width, 3), 114, np.uint8)
    top, left = placed.top + placed.height, placed.left + placed.width
    canvas[top : top + placed.height, left : left + placed.width] = resized
    return canvas[placed.height :, placed.width :][: target[1], : target[0]].transpose(2, 0, 1).astype(np.float32)


@pytest.mark.parametrize("resize", ["crop", "stretch", "letterbox"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_a_smooth_resize_equals_pillow(pixel_format: PixelFormat, size: tuple[int, int], resize: str) -> None:
    form = FrameFormat(pixel_format, *size, ColorMatrix.BT709)
    planes = planes_of(form, scene(*size), spare=5)
    recipe = replace(SMOOTH, resize=resize)
    for target in TARGETS:
        placed = place(recipe, target, size)
        expected = pillow(to_bgr(form, planes), target, placed)
        difference = np.abs(run(recipe, target, form, planes) - expected)
        assert difference.mean() <= MEAN_TOLERANCE
        assert difference.max() <= MAX_TOLERANCE


def test_the_middle_is_cut_out() -> None:
    form = FrameFormat(PixelFormat.BGR24, 400, 100)
    ramp = np.repeat(np.arange(400) // 2, 3).astype(np.uint8)
    row = np.empty((3, 50, 50), np.float32)
    geometry = Preprocessor(SMOOTH, (50, 50)).run(frame_of(form, (np.tile(ramp, (100, 1)),)), row)
    assert (row[:, :, 0].mean(), row[:, :, -1].mean()) == pytest.approx((75, 124), abs=1)
    assert geometry.to_source(np.array([[0, 0, 50, 50]], np.float32)).tolist() == [[150, 0, 250, 100]]


def test_a_smooth_resize_in_half_precision() -> None:
    form = FrameFormat(PixelFormat.I420, 333, 211)
    planes = planes_of(form, scene(333, 211))
    recipe = replace(SMOOTH, scale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    single, half = (run(recipe, (128, 128), form, planes, dtype) for dtype in (np.float32, np.float16))
    assert np.array_equal(single.astype(np.float16), half)


@pytest.mark.parametrize("place", [(0, 4, 0, 0), (4, 0, 0, 0), (-1, 4, 0, 0)])
def test_a_smooth_resize_to_nothing_is_refused(place: tuple[int, int, int, int]) -> None:
    form = FrameFormat(PixelFormat.GRAY8, 8, 8)
    native = _native.SmoothPreprocessor(4, 4, False, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 7.0)
    arguments = (form.pixel_format, 8, 8, form.matrix, form.full_range, planes_of(form, scene(8, 8)))
    row = np.empty((3, 4, 4), np.float32)
    with pytest.raises(ValueError, match="no pixels"):
        native.run(row, *arguments, place)
    native.run(row, *arguments, (4, 4, 100, -100))  # wholly outside
    assert (row == 7).all()


def test_wrong_shapes_are_refused() -> None:
    form = FrameFormat(PixelFormat.I420, 8, 8)
    good = planes_of(form, scene(8, 8))
    row = np.empty((3, 16, 16), np.float32)
    preprocessor = Preprocessor(YOLO, (16, 16))
    with pytest.raises(ValueError, match="plane 1 has shape"):
        preprocessor.run(frame_of(form, (good[0], good[1][:3], good[2])), row)
    with pytest.raises(ValueError, match="number of planes"):
        preprocessor.run(frame_of(form, good[:2]), row)
    with pytest.raises(ValueError, match="shape"):
        preprocessor.run(frame_of(form, good), row[:, :8].copy())
    with pytest.raises(ValueError, match="float32 or float16"):
        preprocessor.run(frame_of(form, good), np.zeros((3, 16, 16)))
    with pytest.raises(TypeError):
        preprocessor.run(frame_of(form, good), np.empty((3, 16, 32), np.float32)[:, :, ::2])
    with pytest.raises(ValueError, match="plane 0"):
        to_bgr(form, (good[0].repeat(2, 1)[:, ::2], *good[1:]))
