"""Producers of frames as users write them, for sources of the kind `callable`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from support import media

from mpipeline.inference_pipeline.entities import SourceProperties


@dataclass
class Clip:
    """Numbered pictures, `count` of them; -1: without an end. With `gate`, each picture waits for it."""

    count: int = 30
    is_file: bool = True
    is_open: bool = True
    knows_size: bool = True
    is_reconnectable: bool | None = None
    fails_at: int = 0
    channels: int = 3
    gate: threading.Event | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    released: int = 0

    def isOpened(self) -> bool:
        return self.is_open

    def initialize_source_properties(self, properties: Mapping[str, Any]) -> None:
        self.settings.update(properties)
        self.count = int(properties.get("count", self.count))

    def discover_source_properties(self) -> SourceProperties:
        width, height = (160, 96) if self.knows_size else (0, 0)
        total = self.count if self.is_file else -1
        return SourceProperties(width, height, total, self.is_file, 15.0, self.is_reconnectable)

    def grab(self) -> bool:
        if self.gate is not None:
            self.gate.wait()
        if self.fails_at and self.number + 1 == self.fails_at:
            raise OSError("the lens is dirty")
        if self.number == self.count:
            return False
        self.number += 1
        return True

    def retrieve(self) -> tuple[bool, np.ndarray[Any, Any]]:
        luma = media.picture(self.number - 1, 160, 96)
        return True, luma if self.channels == 1 else np.repeat(luma[:, :, None], 3, axis=2)

    def release(self) -> None:
        self.released += 1

    def connection_error_message(self) -> str:
        return "the cable is out"


def clip() -> Clip:
    """As a `target`."""
    return Clip()
