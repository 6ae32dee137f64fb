"""A GPU where one executes the model, else the fastest backend on the CPU: measured once for each model, then kept."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np

from mpipeline import registry
from mpipeline.backends.auto_gpu import GpuChoice
from mpipeline.backends.backend import Backend, BackendOptions
from mpipeline.backends.cores import cpu_identity, physical_cores
from mpipeline.backends.decisions import Decision, DecisionFile, key_of, version_of
from mpipeline.backends.devices import check_device
from mpipeline.backends.model_file import digest_of
from mpipeline.backends.race import Race, deviation, made_up
from mpipeline.clock import SystemClock
from mpipeline.cuda.beside import ModelOnGpu
from mpipeline.errors import BackendError
from mpipeline.tensor import ModelInfo, Precision, Tensor

logger = logging.getLogger("mpipeline.inference")

_BOTH = ("onnxruntime", "openvino")
_RULES = 1  # raised when decisions of earlier versions no longer count
_MARGIN = 1.03  # how many times as much ONNX Runtime must cost: less is in the noise, and it loads faster
_TOO_SHORT_MS = 2.0  # of processor time: of less than that, little could be won
_MOST_ATTEMPTS = 2  # one may have been killed for another reason


class AutoBackend:
    """Executes an ONNX file on a GPU by TensorRT or ONNX Runtime, if there is one (`options.device`: "auto", "cuda").

    Else, and for "cpu", on the CPU by ONNX Runtime or, where that is faster here and gives the same, by OpenVINO. Which
    it is, is measured when a model is opened for the first time on this CPU with these versions and threads, if
    `options.cache` names a folder that can remember it. On a CPU another precision than float32 is for OpenVINO alone.
    """

    takes: ClassVar[str] = "tensors"
    concurrent: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = get_args(Precision)

    def __init__(self, options: BackendOptions, race: Race | None = None) -> None:
        check_device("auto", options.device, cpu=True, gpu=True)
        self._gpu = GpuChoice(options)
        self._options = replace(options, device="cpu")  # where no GPU takes it
        self._race = race if race is not None else Race(SystemClock())
        both = [kind for kind in _BOTH if registry.is_builtin("backends", kind)]  # the same one twice without the other
        self._simple: Backend = registry.load("backends", both[0])(self._options)
        self._rival: Backend = self._simple if len(both) == 1 else registry.load("backends", both[1])(self._options)
        self._chosen: Backend | None = None

    def open(self) -> ModelInfo:
        """Loads the file, and chooses. Raises as `GpuChoice.open` and that of the backend do."""
        taken = self._gpu.open()
        if taken is not None:
            self._chosen, info = taken
            return info
        if self._options.precision != "float32":
            return self._take(self._rival)
        if self._rival is self._simple or importlib.util.find_spec("openvino") is None:
            logger.debug("ONNX Runtime is taken: OpenVINO is not installed", extra={"event": "backend_chosen"})
            return self._take(self._simple)
        if self._options.cache is None or not _is_there(Path(self._options.target)):
            return self._take(self._simple)
        try:
            decision = self._decision(DecisionFile(self._options.cache, _key(self._options)))
        except OSError as error:
            decision = Decision("onnxruntime", f"what a trial finds cannot be kept: {error}")
        if decision.backend == "openvino":
            try:
                return self._told(self._take(self._rival), decision)
            except Exception as error:  # noqa: BLE001 - OpenVINO may raise anything, and there is the other
                decision = Decision("onnxruntime", str(error))
        return self._told(self._take(self._simple), decision)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As in Backend."""
        if self._chosen is None:
            raise BackendError(f"{self._options.target} was not opened, or is closed")
        return self._chosen.run(inputs)

    def input_memory(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        """As in Backend: that of the one which was chosen."""
        made: Tensor = getattr(self._chosen, "input_memory", np.zeros)(shape, dtype)
        return made

    @property
    def on_gpu(self) -> ModelOnGpu | None:
        """As in Backend: that of the one which was chosen."""
        return getattr(self._chosen, "on_gpu", None)

    def close(self) -> None:
        """As in Backend."""
        if self._chosen is not None:
            self._chosen.close()
        self._chosen = None
        self._simple.close()
        self._rival.close()

    def _take(self, backend: Backend) -> ModelInfo:
        info = backend.open()
        self._chosen = backend
        return info

    def _told(self, info: ModelInfo, decision: Decision) -> ModelInfo:
        name = "OpenVINO" if decision.backend == "openvino" else "ONNX Runtime"
        extra = {"event": "backend_chosen", "backend": decision.backend}
        logger.info("%s is taken: %s", name, decision.reason, extra=extra)
        return info

    def _decision(self, file: DecisionFile) -> Decision:
        known = file.recall()
        if known is not None:
            return known
        with file.trial() as attempts:
            known = file.recall()  # meanwhile by another process
            if known is not None:
                return known
            if attempts >= _MOST_ATTEMPTS:
                decision = Decision("onnxruntime", "the process has ended each time when OpenVINO was tried")
            else:
                decision = self._tried()
            file.decide(decision)
        return decision

    def _tried(self) -> Decision:
        """Both are opened, compared and measured, and closed again. What is wrong with the file itself is raised."""
        inputs = made_up(self._simple.open().inputs)
        try:
            expected = {name: value.copy() for name, value in self._simple.run(inputs).items()}
            if self._race.cost_ms(self._simple, inputs) < _TOO_SHORT_MS:
                return Decision(
                    "onnxruntime",
                    f"a run takes less than {_TOO_SHORT_MS:g} ms of processor time, so that little could be won",
                )
            text = "OpenVINO is tried on the model, once, which takes a few seconds"
            logger.info(text, extra={"event": "backend_trial"})
            self._rival.open()
            differs = deviation(expected, self._rival.run(inputs))
            if differs:
                return Decision("onnxruntime", f"OpenVINO gives something else, {differs}")
            costs = self._race.run(self._simple, self._rival, inputs)
        except Exception as error:  # noqa: BLE001 - OpenVINO may raise anything, and there is the other
            return Decision("onnxruntime", f"OpenVINO could not be tried: {error}")
        finally:
            self.close()
        kind = "openvino" if costs.ratio >= _MARGIN else "onnxruntime"
        figures = f"{costs.first_ms:.1f} ms in ONNX Runtime and {costs.second_ms:.1f} ms in OpenVINO"
        return Decision(kind, f"a run takes {figures} of processor time, ratio {costs.ratio:.2f}, and gives the same")


def _is_there(path: Path) -> bool:
    """Whether there is something to be tried; what else is wrong is told by who opens it."""
    return path.is_file() and path.stat().st_size > 0


def _key(options: BackendOptions) -> str:
    """A name for all that a decision depends on."""
    case = {
        "rules": _RULES,
        "model": digest_of(Path(options.target)),
        "versions": [version_of(name) for name in ("onnxruntime", "openvino")],
        "cpu": cpu_identity(),
        "threads": options.threads_of_stream(physical_cores()),
        "streams": options.streams,
    }
    return key_of(case)
