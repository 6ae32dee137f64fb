"""TensorRT on an NVIDIA GPU: executes engines, which are made of ONNX files here, or files of engines as they are.

All work on the GPU is done by one thread. Each thread that calls `run` has a lane of its own, so that the batch of one
goes up, or comes down, while that of another computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.devices import MOST_BATCHES, check_device, gpu_of
from mpipeline.backends.engines.library import FLAVOURS, Library, load_library, usual_flavour
from mpipeline.backends.model_file import check_file, is_engine_file
from mpipeline.backends.tensorrt_engine import EngineRefused
from mpipeline.backends.tensorrt_lanes import Lanes
from mpipeline.backends.tensorrt_plan import Plan, plan_of
from mpipeline.cuda import probe, pycuda_driver
from mpipeline.cuda.beside import ModelOnGpu
from mpipeline.cuda.driver import DeviceFacts, Gpu
from mpipeline.cuda.thread import GpuThread
from mpipeline.errors import BackendError, GpuLost, ModelError, MpipelineError
from mpipeline.tensor import Execution, ModelInfo, Precision, Tensor

_REMEDY = (
    "an engine works with the TensorRT, and on the kind of GPU, for which it was built: build it here, or give the "
    "ONNX file in its place"
)
_HOST_CODE = "HostCodeAllowed"  # in what TensorRT says of an engine that holds code for the processor
_HOST_CODE_REMEDY = (
    "it holds code for the processor, as one for several versions of TensorRT does, which would run with your rights: "
    "that is taken only from where `mpipeline engine build --version-compatible` keeps what it has built here "
    "(`mpipeline engine list --json` tells the path); or give the ONNX file in its place"
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the backend needs of a machine: tests have others."""

    device: Callable[[int], DeviceFacts] = probe.device
    open_gpu: Callable[[int], Gpu] = pycuda_driver.open_gpu
    library: Callable[[], Library] = lambda: load_library(usual_flavour())


class TensorRtBackend:
    """Executes a model on a GPU: `options.device` is "auto", "cuda" or "cuda:1".

    An ONNX file is made into an engine when it is opened for the first time on that GPU. A file of an engine (.engine,
    .plan, .trt) is taken as it is, and computes in the precision in which it was built.
    """

    takes: ClassVar[str] = "tensors"
    concurrent: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("float32", "float16")

    def __init__(self, options: BackendOptions, surroundings: Surroundings | None = None) -> None:
        check_device("tensorrt", options.device, cpu=False, gpu=True)
        self._options = options
        self._surroundings = surroundings if surroundings is not None else Surroundings()
        self._opened: tuple[GpuThread, Lanes] | None = None

    def open(self) -> ModelInfo:
        """Asks for the GPU, has the engine made if there is none yet, which may take minutes, and loads it.

        Raises BackendError if there is no GPU or it does not do, MissingDependency if a library is not installed,
        ModelError with the path if the file is no model, or one that TensorRT does not take.
        """
        self.close()
        options, around = self._options, self._surroundings
        check_file(Path(options.target))
        index = gpu_of(options.device) or 0
        device = around.device(index)  # first: where there is no driver, TensorRT would crash
        library = around.library()
        gpu = around.open_gpu(index)  # what is missing for it, is told before an engine is made
        plan = self._load(library, device, gpu)
        assert self._opened is not None
        _, lanes = self._opened
        execution = Execution(FLAVOURS[library.flavour], library.version, str(device), 0, plan.precision, lanes.count)
        engine = lanes.engine
        return ModelInfo(engine.inputs, engine.outputs, plan.metadata, execution, engine.max_batch)

    def input_memory(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        """An array of zeros from which `run` uploads without a copy; not to be touched after `close`."""
        return self._lanes().input_memory(shape, dtype)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Infers one batch; inputs in memory of `input_memory` are read in place.

        Raises BackendError with the reason of TensorRT or CUDA.
        """
        lanes = self._lanes()
        try:
            return lanes.run(inputs)
        except MpipelineError as error:
            shapes = ", ".join(f"{name} {list(value.shape)} {value.dtype}" for name, value in inputs.items())
            kind = GpuLost if isinstance(error, GpuLost) else BackendError
            raise kind(f"{self._options.target} failed on {shapes}: {error}") from error

    @property
    def on_gpu(self) -> ModelOnGpu | None:
        """As in Backend."""
        return self._lanes()

    def close(self) -> None:
        """Waits for what is under way, and gives everything back on the thread that has made it."""
        opened, self._opened = self._opened, None
        if opened is not None:
            thread, lanes = opened
            try:
                thread.call(lambda _: lanes.free())
            finally:
                thread.close()

    def _load(self, library: Library, device: DeviceFacts, gpu: Gpu) -> Plan:
        """Loads the engine, once more a new one if that of an earlier run is refused."""
        plan = plan_of(library, self._options, device)
        try:
            self._opened = self._loaded(library, plan, gpu)
        except EngineRefused as error:
            if is_engine_file(Path(self._options.target)):
                remedy = _HOST_CODE_REMEDY if _HOST_CODE in str(error) else _REMEDY
                raise ModelError(f"{error}; {remedy}") from error
            if not plan.is_kept:
                raise
            plan = plan_of(library, self._options, device, fresh=True)
            self._opened = self._loaded(library, plan, gpu)
        return plan

    def _loaded(self, library: Library, plan: Plan, gpu: Gpu) -> tuple[GpuThread, Lanes]:
        count = min(self._options.streams, MOST_BATCHES)
        thread = GpuThread(lambda: gpu, count)
        try:
            return thread, thread.call(lambda entered: Lanes(library, plan, thread, entered, count))
        except BaseException as error:
            thread.close()
            if isinstance(error, MpipelineError):
                raise type(error)(f"{self._options.target}: {error}") from error
            raise

    def _lanes(self) -> Lanes:
        if self._opened is None:
            raise BackendError(f"{self._options.target} was not opened, or is closed")
        return self._opened[1]
