"""Writing the detector: the file does what the network does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpipeline.demo import train
from mpipeline.demo.export import write_onnx
from mpipeline.demo.network import BOX_UNIT, CELL, INPUT_HEIGHT, INPUT_WIDTH, LAYERS
from mpipeline.errors import EXIT_CONFIG

ort = pytest.importorskip("onnxruntime")


def zero_weights() -> list[tuple[Any, Any]]:
    return [
        (
            np.zeros((layer.outputs, layer.inputs // layer.groups, layer.kernel, layer.kernel), np.float32),
            np.zeros(layer.outputs, np.float32),
        )
        for layer in LAYERS
    ]


def test_a_network_that_says_nothing_puts_a_standard_box_on_every_cell(tmp_path: Path) -> None:
    write_onnx(zero_weights(), tmp_path / "zero.onnx")
    session = ort.InferenceSession(str(tmp_path / "zero.onnx"), providers=["CPUExecutionProvider"])
    [output] = session.run(None, {"images": np.zeros((2, 3, INPUT_HEIGHT, INPUT_WIDTH), np.float32)})
    columns = INPUT_WIDTH // CELL
    assert output.shape == (2, 7, columns * (INPUT_HEIGHT // CELL))
    assert output[0, :, 0].tolist() == [CELL / 2, CELL / 2, BOX_UNIT, BOX_UNIT, 0.5, 0.5, 0.5]
    assert output[1, :2, columns + 2].tolist() == [2.5 * CELL, 1.5 * CELL]


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_onnx(zero_weights(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_training_without_torch_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert train.main(["--out", str(tmp_path / "x.onnx")]) == EXIT_CONFIG
    assert "pip install 'mpipeline[train]'" in capsys.readouterr().err
