"""What a test of a model family needs to know of it: how its model is made, its picture prepared, its outputs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from support.reference_tasks import Instance, Placed

SIZE = (160, 128)  # of most inputs: width, height
CONFIDENCE, OVERLAP = 0.4, 0.5

Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Task:
    """A family and its reference. `read` gets the outputs for one frame and the frame's size.

    `asked`: the family must be asked for, the file does not show it. `beside`: further inputs, a row each.
    `size` is that of the input.
    """

    family: str
    make: Callable[[Path], Path]
    prepare: Callable[[Any, tuple[int, int]], Placed]
    read: Callable[[Outputs, Placed, tuple[int, int]], list[Instance]]
    agreement: float = 0.97
    asked: bool = False
    beside: Outputs = field(default_factory=dict)
    size: tuple[int, int] = SIZE
