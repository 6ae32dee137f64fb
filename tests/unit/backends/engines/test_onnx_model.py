"""An ONNX file in the precision that is asked for: what is converted, what is refused, and what the file depends on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from support.data import DATA, needs_data
from support.engine_cases import EXPORTS, eight_bit
from support.onnx_models import detector, mean_of_image

from mpipeline.backends.engines.onnx_model import content_digest, read_model
from mpipeline.demo import MODEL_PATH
from mpipeline.errors import ModelError


def outputs(content: bytes, brightest: float) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    image = session.get_inputs()[0]
    shape = [side if isinstance(side, int) else 1 for side in image.shape]
    return session.run(None, {image.name: rng.random(shape, np.float32) * np.float32(brightest)})


def test_what_is_not_to_be_changed_is_not() -> None:
    model = read_model(MODEL_PATH, "float32")
    assert model.content == MODEL_PATH.read_bytes()
    assert not model.has_half
    assert not model.is_eight_bit
    assert "names" in model.metadata


@pytest.mark.parametrize("name", EXPORTS)
def test_float16_is_inside_and_float32_outside(name: str, tmp_path: Path) -> None:
    path = EXPORTS[name](tmp_path / "m.onnx")
    model = read_model(path, "float16")
    assert model.has_half
    before, after = onnx.load(str(path)), onnx.load_from_string(model.content)
    for kind in ("input", "output"):
        described = [
            [(each.name, each.type.tensor_type.elem_type) for each in getattr(one.graph, kind)]
            for one in (before, after)
        ]
        assert described[0] == described[1]
    assert any(each.data_type == onnx.TensorProto.FLOAT16 for each in after.graph.initializer)


@pytest.mark.parametrize(
    ("path", "brightest"),
    [(MODEL_PATH, 1.0), pytest.param(DATA / "models" / "yolox_nano.onnx", 255.0, marks=needs_data)],
)
def test_float16_gives_nearly_the_same(path: Path, brightest: float) -> None:
    contents = path.read_bytes(), read_model(path, "float16").content
    for exact, half in zip(*[outputs(content, brightest) for content in contents], strict=True):
        assert half.dtype == exact.dtype
        assert np.abs(half - exact).max() < 0.03 * np.abs(exact).max()


def test_an_8_bit_model_stays_one(tmp_path: Path) -> None:
    path = eight_bit(MODEL_PATH, tmp_path / "m.onnx")
    assert read_model(path, "int8").is_eight_bit
    assert read_model(path, "float32").content == path.read_bytes()
    with pytest.raises(ModelError, match="is an 8-bit model, which stays as it is: leave the precision out"):
        read_model(path, "float16")


def test_8_bit_scales_that_are_not_symmetric_are_refused(tmp_path: Path) -> None:
    path = eight_bit(MODEL_PATH, tmp_path / "m.onnx", symmetric=False)
    with pytest.raises(ModelError, match=r"not symmetric, which TensorRT does not take; make one with .*--symmetric"):
        read_model(path, "int8")


def test_no_int8_without_scales() -> None:
    with pytest.raises(ModelError, match="has no 8-bit scales, so there is no engine of it in int8"):
        read_model(MODEL_PATH, "int8")


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x00\x01 no model")
    with pytest.raises(ModelError, match=r"m\.onnx: cannot be read as an ONNX file"):
        read_model(tmp_path / "m.onnx", "float32")


def test_weights_beside_the_file_count(tmp_path: Path) -> None:
    digests = []
    for value in (1, 2):
        path = detector(tmp_path / "m.onnx", np.full((64, 64), value), external_data=True)
        digests.append(content_digest(path))
    assert digests[0] != digests[1]
    assert content_digest(path) == digests[1]
    assert content_digest(mean_of_image(tmp_path / "n.onnx")) not in digests
    (tmp_path / "m.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"m\.onnx: m\.onnx\.data with weights of it belongs beside it: No such file"):
        content_digest(path)
