"""Keeps ONNX Runtime from reporting to its maker."""

from __future__ import annotations

import os

ONNXRUNTIME_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def keep_onnxruntime_silent() -> None:
    """To be called before ONNX Runtime is imported: its builds for Linux, from 1.29 on, report each import and each
    model over the network, and keep an id for that in ~/.cache, unless this variable is set. What the user has set
    stays."""
    os.environ.setdefault(ONNXRUNTIME_TELEMETRY, "1")
