"""In place of TensorRT-RTX where a test must decide what happens while an engine is built, or none is installed.

It has the names that the builder uses, and does what files in the folder $STAND_IN_LIBRARY say:

    hold      a build waits until this is gone
    hang      a build does nothing any more
    crash     a build ends the process by a segmentation fault
    refuse    a build gives nothing, for the reason that stands in it
    builds    gets the process id of each build, a line each
"""

from __future__ import annotations

import enum
import hashlib
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

__version__ = "1.2.3"
_BIG = 200_000  # bytes of a plan: more than a small disk has


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class IProgressMonitor:
    pass


def init_libnvinfer_plugins(logger: Any, namespace: str) -> bool:
    return True


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 0


class BuilderFlag(enum.IntEnum):
    TF32, VERSION_COMPATIBLE = range(2)


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class HardwareCompatibilityLevel(enum.IntEnum):
    NONE, AMPERE_PLUS = range(2)


class ComputeCapability(enum.IntEnum):
    SM75, SM86, SM89 = range(3)


class _Memory(bytes):
    pass


class _Cache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> _Memory:
        return _Memory(self.content)


class _Config:
    def __init__(self) -> None:
        self.said: list[Any] = []
        self.progress_monitor: Any = None
        self.num_compute_capabilities = 0
        self._cache: _Cache | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in ("said", "progress_monitor"):
            self.said.append((name, value))
        super().__setattr__(name, value)

    def _say(self, *what: Any) -> int:
        self.said.append([str(part) for part in what])
        return 0

    set_flag = clear_flag = set_memory_pool_limit = set_compute_capability = add_optimization_profile = _say

    def create_timing_cache(self, content: bytes) -> _Cache:
        return _Cache(content)

    def set_timing_cache(self, cache: _Cache, ignore_mismatch: bool) -> bool:
        self._cache = cache
        return True

    def get_timing_cache(self) -> _Cache | None:
        return self._cache


class _Profile:
    def __init__(self) -> None:
        self._shapes: list[Any] = []

    def set_shape(self, *what: Any) -> None:
        self._shapes.append(what)

    def __str__(self) -> str:
        return str(self._shapes)


class DataType(enum.Enum):
    FLOAT = 0


class _Network:
    def __init__(self) -> None:
        self._tensors: dict[str, list[Any]] = {"input": [], "output": []}
        self.get_input = lambda number: self._tensors["input"][number]
        self.get_output = lambda number: self._tensors["output"][number]
        self.content = b""

    @property
    def num_inputs(self) -> int:
        return len(self._tensors["input"])

    @property
    def num_outputs(self) -> int:
        return len(self._tensors["output"])

    def fill(self, content: bytes) -> None:
        import onnx

        self.content = content
        graph = onnx.load_from_string(content).graph
        for kind, tensors in self._tensors.items():
            for each in getattr(graph, kind):
                sides = each.type.tensor_type.shape.dim
                shape = [side.dim_value if side.HasField("dim_value") else -1 for side in sides]
                tensors.append(SimpleNamespace(name=each.name, shape=shape, dtype=DataType.FLOAT))


class OnnxParser:
    num_errors = 0

    def __init__(self, network: _Network, logger: Any) -> None:
        self._network = network

    def parse(self, content: bytes, path: str) -> bool:
        self._network.fill(content)
        return True


class Builder:
    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._folder = Path(os.environ["STAND_IN_LIBRARY"])

    def create_network(self, flags: int) -> _Network:
        return _Network()

    def create_builder_config(self) -> _Config:
        return _Config()

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def build_serialized_network(self, network: _Network, config: _Config) -> _Memory | None:
        with (self._folder / "builds").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if config.progress_monitor is not None:
            config.progress_monitor.phase_start("building", None, 2)
            config.progress_monitor.step_complete("building", 0)
        while (self._folder / "hold").exists():
            time.sleep(0.02)
        while (self._folder / "hang").exists():
            signal.pause()
        if (self._folder / "crash").exists():
            os.kill(os.getpid(), signal.SIGSEGV)
        if (self._folder / "refuse").exists():
            self._logger.log(ILogger.Severity.ERROR, (self._folder / "refuse").read_text())
            return None
        config._cache = _Cache(config._cache.content + b"learnt ")
        if config.progress_monitor is not None:
            config.progress_monitor.phase_finish("building")
        return _Memory(hashlib.sha256(network.content + str(config.said).encode()).digest() * (_BIG // 32))
