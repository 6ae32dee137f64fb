"""What the simulated TensorRT-RTX compiles when an engine is loaded and executed."""

from __future__ import annotations

from typing import Any

from support.simulated_ownership import Owned


class RuntimeConfig:
    def __init__(self, trt: Any) -> None:
        self._trt = trt
        self.cuda_graph_strategy: Any = None
        self.cache: RuntimeCache | None = None

    def create_runtime_cache(self) -> Any:
        return RuntimeCache(self._trt) if self._trt.may("create_runtime_cache") else None

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = cache
        return True


class RuntimeCache(Owned):
    """Holds the shapes for which kernels were compiled; the module counts what was compiled in `compiled`."""

    def __init__(self, trt: Any) -> None:
        super().__init__(trt, "Context")
        self._shapes: set[str] = set()

    def add(self, shapes: str) -> None:
        if shapes not in self._shapes:
            self.trt.compiled += 1
            self._shapes.add(shapes)

    def deserialize(self, content: bytes) -> bool:
        if not self.trt.may("deserialize"):
            return False
        self._shapes = set(content.decode().split("; "))
        return True

    def serialize(self) -> Any:
        return "; ".join(sorted(self._shapes)).encode() if self.trt.may("serialize") else None
