"""A model run in two ways over the same frames, which are read in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.media import VideoSpec, frame_number, video
from support.onnx_tasks import classifier, yolo_model

from mpipeline.config.schema import ModelSpec, SourceSpec
from mpipeline.errors import BackendError, ConfigError, SourceError
from mpipeline.hosted.comparison import compare
from mpipeline.hosted.footage import footage


def source(**entry: Any) -> SourceSpec:
    return SourceSpec.from_mapping({"name": "a", **entry})


def synthetic(count: int) -> SourceSpec:
    return source(kind="synthetic", width=160, height=120, count=count)


def model(path: Path, **keys: Any) -> ModelSpec:
    return ModelSpec.from_mapping({"path": str(path), "threads": 1, "confidence": 0.25, **keys})


def test_frames_are_spread_over_a_file() -> None:
    spec = source(uri=str(video(VideoSpec(frames=30))))

    def numbers(most: int) -> list[tuple[int, int]]:
        return [(frame.meta.frame_id, frame_number(frame.planes[0])) for frame in footage(spec, most)]

    assert numbers(3) == [(1, 0), (11, 10), (21, 20)]
    assert numbers(100) == [(n + 1, n) for n in range(30)]
    assert numbers(1) == [(1, 0)]


def test_a_picture_is_a_frame(tmp_path: Path) -> None:
    for name in ("p.png", "p.jpg"):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 90, np.uint8))
        (frame,) = footage(source(uri=str(tmp_path / name)), 5)
        assert (frame.meta.width, frame.meta.height) == (64, 48)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"v\.mp4"):
        list(footage(source(uri=str(tmp_path / "v.mp4")), 5))


def test_two_backends_find_the_same(tmp_path: Path) -> None:
    path = yolo_model(tmp_path / "m.onnx", (96, 64), "detect")
    calls: list[int] = []
    first, second = model(path, backend="onnxruntime"), model(path, backend="openvino")
    result = compare(first, second, [synthetic(4), synthetic(9)], 5, lambda: calls.append(1))
    told = result.as_dict()
    assert (told["first"]["library"], told["second"]["library"]) == ("ONNX Runtime", "OpenVINO")
    assert told["frames"] == len(calls) == 4 + 5
    assert told["detections"] == told["same"] > 0
    assert told["lost"] == told["new"] == told["flipped"] == 0
    assert told["speed"] == pytest.approx(told["first"]["ms"] / told["second"]["ms"])


def test_classes_of_whole_frames(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx", (64, 64))
    first, second = model(path, backend="onnxruntime"), model(path, backend="openvino", precision="bfloat16")
    told = compare(first, second, [synthetic(4)], 5).as_dict()
    assert told["classified"] == told["frames"] == 4
    assert told["second"]["precision"] in ("bfloat16", "float32")


def test_what_is_not_there_to_be_compared(tmp_path: Path) -> None:
    path = yolo_model(tmp_path / "m.onnx", (96, 64), "detect")
    with pytest.raises(ConfigError, match="there is no frame in any of the inputs"):
        compare(model(path), model(path), [], 5)


def test_numbers_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mpipeline.backends.openvino import OpenVinoBackend

    path = yolo_model(tmp_path / "m.onnx", (96, 64), "detect")
    run = OpenVinoBackend.run

    def broken(self: Any, inputs: Any) -> Any:
        outputs = run(self, inputs)
        outputs["output0"][:, 4:] = np.inf  # scores
        return outputs

    monkeypatch.setattr(OpenVinoBackend, "run", broken)
    with pytest.raises(BackendError, match="OpenVINO gave boxes or scores that are no numbers"):
        compare(model(path), model(path, backend="openvino"), [synthetic(3)], 5)
