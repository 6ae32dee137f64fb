"""A GPU for the backend `auto`: TensorRT, else ONNX Runtime, whichever really executes the model on it.

What is installed, or was compiled in, says little: each is opened. That TensorRT does not take a model is remembered,
since finding out takes long; what may be otherwise tomorrow, such as too little memory, is not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from mpipeline import registry
from mpipeline.backends.backend import Backend, BackendOptions
from mpipeline.backends.decisions import Decision, DecisionFile, key_of, version_of
from mpipeline.backends.devices import gpu_of
from mpipeline.backends.model_file import digest_of, is_engine_file
from mpipeline.cuda import probe
from mpipeline.cuda.driver import DeviceFacts
from mpipeline.errors import BackendError, ModelError, MpipelineError, NoDevice
from mpipeline.tensor import ModelInfo

logger = logging.getLogger("mpipeline.inference")

_RULES = 1  # raised when decisions of earlier versions no longer count
_DISTRIBUTIONS = ("tensorrt", "tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx", "tensorrt-rtx-cu13")

Kind = Callable[[BackendOptions], Backend]


class GpuChoice:
    """Opens a model on a GPU, by the first of two backends that can."""

    def __init__(
        self,
        options: BackendOptions,
        device: Callable[[int], DeviceFacts] = probe.device,
        kinds: Sequence[Kind] | None = None,
    ) -> None:
        self._options = options
        self._device = device
        usual: Sequence[Kind] = [partial(_made, kind) for kind in ("tensorrt", "onnxruntime")]
        self._tensorrt, self._onnxruntime = kinds if kinds is not None else usual

    def open(self) -> tuple[Backend, ModelInfo] | None:
        """The backend, opened, and what it says of the model; None if the model is for the CPU.

        Raises BackendError if a GPU is asked for by name and there is none, or nobody executes the model there.
        """
        if is_engine_file(Path(self._options.target)):
            return _opened(self._tensorrt(self._options))
        if self._options.device == "cpu" or self._options.precision == "bfloat16":
            return None
        try:
            gpu = self._device(gpu_of(self._options.device) or 0)
        except BackendError as error:
            if self._options.device != "auto":
                raise
            if not isinstance(error, NoDevice):
                logger.warning("no GPU is used: %s", error, extra={"event": "gpu_not_used"})
            return None
        on_gpu = replace(self._options, device=f"cuda:{gpu.index}")
        reasons = []
        for name, open_it in (("TensorRT", self._open_tensorrt), ("ONNX Runtime", self._open_onnxruntime)):
            try:
                backend, info = open_it(on_gpu, gpu)
            except MpipelineError as error:
                reasons.append(f"{name}: {error}")
                continue
            why = f", since {'; '.join(reasons)}" if reasons else ""
            extra = {"event": "backend_chosen", "backend": name}
            logger.info("%s is taken, on %s%s", name, gpu, why, extra=extra)
            return backend, info
        text = f"nothing executes the model on {gpu}: {'; '.join(reasons)}"
        if self._options.device != "auto":
            raise BackendError(text)
        logger.warning("%s", text, extra={"event": "gpu_not_used"})
        return None

    def _open_onnxruntime(self, options: BackendOptions, gpu: DeviceFacts) -> tuple[Backend, ModelInfo]:
        if options.precision != "float32":
            raise BackendError(f"has no {options.precision}")
        return _opened(self._onnxruntime(options))

    def _open_tensorrt(self, options: BackendOptions, gpu: DeviceFacts) -> tuple[Backend, ModelInfo]:
        backend = self._tensorrt(options)
        path = Path(options.target)
        if options.cache is None or not path.is_file() or not path.stat().st_size:
            return _opened(backend)
        refusal = DecisionFile(options.cache, _key(options, gpu))
        known = refusal.recall()
        if known is not None:
            raise BackendError(known.reason)
        try:
            return _opened(backend)
        except ModelError as error:
            with suppress(OSError):  # then it is found out again
                options.cache.mkdir(parents=True, exist_ok=True)
                refusal.decide(Decision("onnxruntime", str(error)))
            raise


def _made(kind: str, options: BackendOptions) -> Backend:
    backend: Backend = registry.load("backends", kind)(options)
    return backend


def _opened(backend: Backend) -> tuple[Backend, ModelInfo]:
    try:
        return backend, backend.open()
    except BaseException:
        backend.close()
        raise


def _key(options: BackendOptions, gpu: DeviceFacts) -> str:
    """A name for all on which it depends whether TensorRT takes the model."""
    case = {
        "rules": _RULES,
        "model": digest_of(Path(options.target)),
        "gpu": [gpu.name, *gpu.compute_capability],
        "versions": [version_of(name) for name in _DISTRIBUTIONS],
        "precision": options.precision,
    }
    return key_of(case)
