"""The environment's word on what arguments of `InferencePipeline.init` mean when they are left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from mpipeline.errors import ConfigError

_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def postprocessing_defaults() -> dict[str, Any]:
    """class_agnostic_nms, confidence, iou_threshold, max_candidates and max_detections, as far as the variables of
    these names, in capitals, are set.

    Raises ConfigError for a value that is none.
    """
    kinds: dict[str, Callable[[str], Any]] = {
        "class_agnostic_nms": lambda text: _TRUTHS[text.lower()],
        "confidence": float,
        "iou_threshold": float,
        "max_candidates": int,
        "max_detections": int,
    }
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        text = os.environ.get(name.upper(), "").strip()
        if not text:
            continue
        try:
            found[name] = kind(text)
        except (ValueError, KeyError):
            expected = "true or false" if name == "class_agnostic_nms" else "a number"
            raise ConfigError(f"environment variable {name.upper()}: expected {expected}, got {text!r}") from None
    return found
