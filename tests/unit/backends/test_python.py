"""A user's own Python: the forms of targets and results, and what is said when they are wrong."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from support.blocks import FEW, blocks_kept
from support.findings import multi_label, single_label, with_keypoints, with_masks
from support.pictures import meta

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.python import PythonBackend
from mpipeline.backends.results import ResultReader
from mpipeline.errors import BackendError, ConfigError
from mpipeline.frame import Frame
from mpipeline.masks import Masks
from mpipeline.prediction import Classification, Detections, Embedding, Findings

FRAME = Frame.from_bgr(meta(8, 6), np.zeros((6, 8, 3), np.uint8))
ROW = [1.0, 2.0, 5.0, 6.0, 0.5, 3.0]
MAPPING = {"x": 3, "y": 4, "width": 4, "height": 4, "confidence": 0.5, "class": "cat", "class_id": 3}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module into the current directory, which is not on the path, and gives a backend of one of its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.delitem(sys.modules, "detectors_of_mine", raising=False)

    def write(text: str, name: str) -> PythonBackend:
        (tmp_path / "detectors_of_mine.py").write_text(dedent(text))
        return PythonBackend(BackendOptions(f"detectors_of_mine:{name}"))

    yield write
    sys.modules.pop("detectors_of_mine", None)


def test_a_function_in_the_current_directory(module) -> None:
    backend = module(
        """
        import numpy as np
        def find(frames):
            return [np.array([[0, 0, f.meta.width, f.meta.height, 0.5, 1]]) for f in frames]
        """,
        "find",
    )
    info = backend.open()
    assert info.inputs == info.outputs == ()
    first, second = backend.infer([FRAME, FRAME])
    assert first.xyxy.tolist() == second.xyxy.tolist() == [[0, 0, 8, 6]]
    assert first.class_name == ("1",)
    backend.close()
    with pytest.raises(BackendError, match="not opened, or is closed"):
        backend.infer([FRAME])


@pytest.mark.parametrize("verb", ["infer", "__call__"])
def test_a_class_with_names_open_and_close(module, verb: str) -> None:
    backend = module(
        f"""
        LOG = []
        class Finder:
            names = {{1: "dog"}}
            def open(self): LOG.append("open")
            def {verb}(self, frames):
                LOG.append(len(frames))
                return [[dict(x=1, y=1, width=2, height=2, confidence=1, class_id=1)] for _ in frames]
            def close(self): LOG.append("close")
        """,
        "Finder",
    )
    backend.open()
    (found,) = backend.infer([FRAME])
    assert found.class_name == ("dog",)
    backend.close()
    backend.close()
    assert sys.modules["detectors_of_mine"].LOG == ["open", 1, "close"]


@pytest.mark.parametrize(
    ("text", "name", "error", "message"),
    [
        ("def find(frames): pass", "finds", ConfigError, "has no finds; did you mean 'find'"),
        ("find = 3", "find", ConfigError, r"neither infer\(frames\) nor __call__"),
        ("import nothing_like_it", "find", ConfigError, "needs nothing_like_it, which is not installed"),
        ("1 / 0", "find", BackendError, "importing detectors_of_mine raised ZeroDivisionError"),
        ("class find:\n def __init__(self, path): pass", "find", BackendError, "making it raised TypeError"),
        ("class find:\n def open(self): raise OSError('no')", "find", BackendError, r"open\(\) raised OSError: no"),
    ],
)
def test_targets_that_do_not_work(module, text, name, error, message) -> None:
    with pytest.raises(error, match=message):
        module(text, name).open()


@pytest.mark.parametrize("target", ["find", ":find", "module:", "no_such_module_at_all:find"])
def test_targets_that_are_none(target: str) -> None:
    with pytest.raises(ConfigError, match=r"module:attribute|there is no module"):
        PythonBackend(BackendOptions(target)).open()


def test_what_it_raises_is_told_and_kept(module) -> None:
    backend = module("def find(frames):\n raise ValueError('too dark')", "find")
    backend.open()
    with pytest.raises(BackendError, match="the call raised ValueError: too dark") as error:
        backend.infer([FRAME])
    assert isinstance(error.value.__cause__, ValueError)


def read(result, expected: int = 1) -> list[Findings]:
    return ResultReader("mine:find", {3: "cat"}).read(result, expected)


def test_all_forms_say_the_same() -> None:
    made = Detections(np.array([ROW[:4]], np.float32), np.array([0.5], np.float32), np.array([3], np.int32), ("cat",))
    for form in (made, np.array([ROW]), np.array([ROW], np.float32), [MAPPING], [{**MAPPING, "class": "cat"}]):
        (found,) = read([form])
        assert found.xyxy.tolist() == [ROW[:4]]
        assert (found.score.tolist(), found.class_id.tolist(), found.class_name) == ([0.5], [3], ("cat",))
        assert (found.xyxy.dtype, found.score.dtype, found.class_id.dtype) == (np.float32, np.float32, np.int32)


def test_nothing_found() -> None:
    for form in ([], np.zeros((0, 6)), np.zeros(0), Detections.empty()):
        (found,) = read([form])
        assert len(found) == 0
        assert found.xyxy.shape == (0, 4)


def test_highest_score_first_and_numbers_for_names() -> None:
    rows = [{**MAPPING, "confidence": c, "class": name} for c, name in ((0.1, "a"), (0.9, "b"), (0.4, "a"))]
    for row in rows:
        del row["class_id"]
    (found,) = read([rows])
    assert found.class_name == ("b", "a", "a")
    assert found.class_id.tolist() == [5, 4, 4]
    assert found.score.tolist() == pytest.approx([0.9, 0.4, 0.1])


def test_masks_key_points_and_tracks_follow_their_boxes() -> None:
    masked = with_masks(128, 96)
    assert masked.masks is not None
    turned = replace(masked, score=np.array([0.1, 0.9, 0.5], np.float32))
    (found,) = read([turned])
    assert isinstance(found, Detections)
    assert found.masks is not None
    for place, row in enumerate((1, 2, 0)):
        assert np.array_equal(found.masks.picture(place), masked.masks.picture(row))
    (found,) = read([with_keypoints()])
    assert isinstance(found, Detections)
    np.testing.assert_array_equal(found.keypoints, with_keypoints().keypoints)
    (found,) = read([replace(with_keypoints(), keypoint_name=())])
    assert isinstance(found, Detections)
    assert found.keypoint_name[:2] == ("0", "1")
    (found,) = read([replace(turned, tracker_id=[5, 6, -1])])
    assert isinstance(found, Detections)
    assert found.tracker_id is not None
    assert (found.tracker_id.dtype, found.tracker_id.tolist()) == (np.int64, [6, -1, 5])


def test_embeddings_are_taken_as_they_are() -> None:
    (found,) = read([Embedding([3, 4])])  # type: ignore[arg-type]
    assert isinstance(found, Embedding)
    assert (found.vector.tolist(), found.vector.dtype) == ([3.0, 4.0], np.float32)


def test_classifications_are_taken_highest_score_first() -> None:
    (found,) = read([single_label()])
    assert isinstance(found, Classification)
    assert found.class_name == ("cat", "dog")
    (found,) = read([replace(multi_label(), score=[0.1, 0.2, 0.9])])
    assert isinstance(found, Classification)
    assert (found.class_name, found.multi_label, found.threshold) == (("cold", "dark", "wet"), True, 0.5)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (replace(with_masks(128, 96), masks=Masks.of(128, 96, [])), "returned 0 masks for the 3 detections"),
        (
            replace(with_masks(128, 96), masks=replace(with_masks(128, 96).masks, width=9)),
            "outside the frame of 9 x 96",
        ),
        (replace(with_keypoints(), keypoints=np.zeros((1, 4, 3))), r"key points of shape \(1, 4, 3\)"),
        (replace(with_keypoints(), keypoints=np.full((1, 17, 3), np.inf)), "a key point that is not finite"),
        (replace(with_keypoints(), keypoints=np.full((1, 17, 3), 2.0)), "a key point that is not finite"),
        (Embedding(np.zeros((1, 2), np.float32)), "an Embedding for frame 0 that is no vector of finite numbers"),
        (Embedding(np.array([np.nan], np.float32)), "an Embedding for frame 0 that is no vector of finite numbers"),
        (
            replace(with_keypoints(), tracker_id=np.zeros(2, int)),
            r"tracker ids int64 of shape \(2,\) for the 1 detections",
        ),
        (replace(with_keypoints(), tracker_id=np.array([0.5])), "tracker ids float64"),
        (replace(single_label(), score=np.zeros(3)), r"columns of shapes \(3,\) and \(2,\) and 2 names"),
        (replace(single_label(), score=np.array([0.5, np.nan])), "a score outside 0..1"),
        (replace(single_label(), score=np.array([0.5, 1.5])), "a score outside 0..1"),
    ],
)
def test_findings_that_do_not_fit_together(result, message: str) -> None:
    with pytest.raises(BackendError, match=f"mine:find .*{message}"):
        read([result])


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "returned NoneType; expected a list"),
        ([[], []], "returned 2 results for 1 frames"),
        ([None], "returned NoneType for frame 0; expected Detections"),
        ([np.zeros((2, 5))], r"an array \(2, 5\) of float64"),
        ([np.array(["a"])], "an array"),
        ([np.array([[0, 0, 1, 1, np.nan, 0]])], "not finite"),
        ([np.array([[0, 0, 1, np.inf, 0.5, 0]])], "not finite"),
        ([np.array([[0, 0, 1, 1, 1.5, 0]])], "a score outside 0..1"),
        ([np.array([[5, 0, 1, 1, 0.5, 0]])], "right or bottom lies before"),
        ([[3]], "a list of int"),
        ([[{"x": 1}]], "without y, width, height, confidence"),
        ([[{k: v for k, v in MAPPING.items() if not k.startswith("class")}]], "without class or class_id"),
        ([[{**MAPPING, "x": "left"}]], "not made of numbers"),
        ([Detections(np.zeros((2, 4)), np.zeros(1), np.zeros(1), ("a",))], "columns of shapes"),
    ],
)
def test_results_that_are_none(result, message: str) -> None:
    with pytest.raises(BackendError, match=f"mine:find .*{message}"):
        read(result)


@pytest.mark.parametrize("result", [np.array([ROW, ROW]), [MAPPING, MAPPING], []])
def test_reading_again_and_again_keeps_nothing(result: object) -> None:
    reader = ResultReader("m:f", {3: "cat"})
    assert blocks_kept(lambda: reader.read([result], 1)) < FEW
