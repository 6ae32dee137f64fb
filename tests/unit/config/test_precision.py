"""`model.precision`: what may be asked of which backend."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.config.schema import ModelSpec
from mpipeline.errors import ConfigError


def spec(**keys: Any) -> ModelSpec:
    return ModelSpec.from_mapping({"path": "m.onnx", **keys})


@pytest.mark.parametrize("backend", ["auto", "openvino", "onnxruntime"])
def test_float32_is_for_all_and_the_default(backend: str) -> None:
    assert spec(backend=backend, precision="float32").precision == "float32"
    assert spec(backend=backend).precision == "float32"


@pytest.mark.parametrize("backend", ["auto", "openvino"])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_others_are_for_some(backend: str, precision: str) -> None:
    assert spec(backend=backend, precision=precision).precision == precision
    with pytest.raises(ConfigError, match=f"backend 'onnxruntime' has no {precision}; it is for auto and openvino"):
        spec(backend="onnxruntime", precision=precision)


def test_what_is_no_precision() -> None:
    with pytest.raises(ConfigError, match="expected one of float32, bfloat16, float16, got 'int8'"):
        spec(precision="int8")
    with pytest.raises(ConfigError, match="not for backend 'python'"):
        ModelSpec.from_mapping({"target": "mine:infer", "precision": "float32"})
