"""A prediction as the record that files and servers get. docs/predictions.md describes the fields."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from mpipeline.frame import FrameMeta
from mpipeline.prediction import Prediction

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def record(prediction: Prediction) -> dict[str, Any]:
    """The record as a dictionary. `source`, `frame_id` and, if it has a name, `model` come first: there a resumed
    `jsonl` sink looks for them."""
    meta = prediction.frame
    line: dict[str, Any] = {
        "source": meta.source,
        "frame_id": meta.frame_id,
        **({"model": prediction.model} if prediction.model else {}),
        "pts": None if meta.pts is None else round(meta.pts, 6),
        "captured_at": captured_at(meta).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "width": meta.width,
        "height": meta.height,
    }
    if meta.corrupt:
        line["corrupt"] = True
    if prediction.failure is not None:
        line["error"] = {"reason": prediction.failure.reason, "message": prediction.failure.message}
    else:
        line.update(prediction.fields())
    return line


def encoded(record: dict[str, Any]) -> str:
    """The record as JSON without white space, on one line."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def captured_at(meta: FrameMeta) -> datetime:
    """The time of capture, UTC, in whole microseconds."""
    return _EPOCH + timedelta(microseconds=meta.wall_ns // 1000)
