"""Who owns what in the simulated TensorRT: what goes too early, or on the wrong thread, is noted by the GPU."""

from __future__ import annotations

from typing import Any


class Owned:
    """Something whose end is watched: on the right thread, and after all that uses it."""

    def __init__(self, trt: Any, *users: str) -> None:
        self.trt = trt
        self.kind = type(self).__name__
        self._users = users
        trt.alive.append(self.kind)

    def __del__(self) -> None:
        trt = self.trt
        trt.alive.remove(self.kind)
        try:
            trt.gpu.check()
            left = [one for one in self._users if one in trt.alive]
            if left:
                trt.gpu.misuse(f"{self.kind} went before {left[0]}")
        except AssertionError:  # is noted; nothing can be raised here
            return
