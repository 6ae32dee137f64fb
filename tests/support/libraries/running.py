"""Exported models, run by ONNX Runtime, and the pictures that all are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from support.libraries.kept import Array, Port
from support.pictures import scene

PICTURES = ((120, 90, 1), (70, 110, 2))  # width, height, seed
_DTYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(int32)": "int32"}


class Running:
    """A session of one file."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.inputs = tuple(map(_port, self._session.get_inputs()))
        self.outputs = tuple(map(_port, self._session.get_outputs()))
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)

    def answers(self, *values: Array) -> dict[str, Array]:
        """The outputs for one picture, without the batch; `values` are those of the inputs, with it."""
        given = dict(zip((one.name for one in self.inputs), values, strict=True))
        names = [one.name for one in self.outputs]
        return {name: value[0] for name, value in zip(names, self._session.run(names, given), strict=True)}


def calibrated(model: Any, size: tuple[int, int]) -> None:
    """Normalisations see a few pictures first, so that numbers neither die out nor explode with the depth."""
    import torch

    shown = np.stack([scene(*size, seed=seed) for seed in range(10, 18)]).transpose(0, 3, 1, 2)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    before = [(norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        model(torch.from_numpy(np.ascontiguousarray(shown)).float() / 255)
    for norm, (momentum, training) in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.train(training)
    model.eval()


def _port(one: Any) -> Port:
    return Port(one.name, tuple(side if isinstance(side, int) else -1 for side in one.shape), _DTYPES[one.type])
