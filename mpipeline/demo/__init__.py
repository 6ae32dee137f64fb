"""The demo: four synthetic sources through a small detector of our own, scored against the scenes' exact truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MODEL_PATH = Path(__file__).with_name("detector.onnx")


def demo_config(out_dir: str | Path) -> dict[str, Any]:
    """The demo's config as a plain mapping; predictions and annotated videos go to `out_dir`.

    Every source lasts ten seconds. Their seeds are none that the detector was trained on.
    """
    out = Path(out_dir)
    sources = [
        {"name": "north", "width": 640, "height": 480, "rate": 30.0, "count": 300, "seed": 1},
        {"name": "east", "width": 848, "height": 480, "rate": 25.0, "count": 250, "seed": 2},
        {"name": "south", "width": 480, "height": 640, "rate": 30.0, "count": 300, "seed": 15},
        {"name": "west", "width": 640, "height": 360, "rate": 24.0, "count": 240, "seed": 6},
    ]
    return {
        "sources": [{"kind": "synthetic", **source} for source in sources],
        "model": {"path": str(MODEL_PATH), "confidence": 0.4, "iou_threshold": 0.5},
        "sinks": [
            {"kind": "jsonl", "path": str(out / "predictions.jsonl")},
            {"kind": "video", "path": str(out / "{source}.mp4")},
        ],
    }
