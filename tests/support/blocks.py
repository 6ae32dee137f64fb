"""What the interpreter keeps of something that is done again and again, as everything in a long run is."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

TIMES = 1500
FEW = TIMES // 10  # what fills once and is then used again: caches, longer tables
_WARM = 100


def blocks_kept(action: Callable[[], object], times: int = TIMES) -> int:
    """How many blocks of memory are in use more than before, after `times` calls.

    A collection empties the interpreter's free lists, which take thousands of objects and so look like a leak for hours
    of a run: one is made before the count begins, and none on the way.
    """
    _repeat(action, _WARM)
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        _repeat(action, _WARM)  # free lists hold what is really in use at one time
        before = sys.getallocatedblocks()
        _repeat(action, times)
        return sys.getallocatedblocks() - before
    finally:
        if was_enabled:
            gc.enable()


def _repeat(action: Callable[[], object], times: int) -> None:
    for _ in range(times):
        action()
