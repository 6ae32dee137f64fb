"""What exporters write into a model file beside the graph: the metadata of Ultralytics, read with suspicion.

Keys as in `ultralytics/engine/exporter.py` (description, stride, task, batch, imgsz, names, args, end2end, kpt_shape,
kpt_names, head) and YOLOv5's `export.py` (stride, names). Values are texts; several of them are Python literals.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpipeline.errors import ModelError
from mpipeline.models.labels import in_order

_RTDETR = "RTDETRDecoder"  # of Ultralytics
_MOST_KEYPOINTS = 4096
_LONGEST = 1_000_000  # characters of a literal that are parsed: names of more classes than any detector has


@dataclass(frozen=True, slots=True)
class ExportMetadata:
    """The entries that matter, None or empty where the file has none. `size` is (width, height).

    `keypoints` is (points of a detection, numbers of a point), `keypoint_names` their names. `head` is a class.
    """

    names: tuple[str, ...] = ()
    task: str | None = None
    stride: int | None = None
    size: tuple[int, int] | None = None
    description: str = ""
    end_to_end: bool = False
    keypoints: tuple[int, int] | None = None
    keypoint_names: tuple[str, ...] = ()
    head: str = ""

    @property
    def is_rtdetr(self) -> bool:
        """Whether Ultralytics has exported an RT-DETR, whose output looks like those of YOLO and is not."""
        described = self.from_ultralytics and "rtdetr" in self.description.lower()
        return self.head == _RTDETR or (described and not self.head)

    @property
    def from_ultralytics(self) -> bool:
        """Whether an exporter of that family wrote the file."""
        return "ultralytics" in self.description.lower() or (self.stride is not None and bool(self.names))


def read_metadata(entries: Mapping[str, str]) -> ExportMetadata:
    """The metadata of a model file. Raises ModelError with the key and the value if an entry cannot be read."""
    arguments = _literal(entries, "args")
    nms_inside = isinstance(arguments, dict) and bool(arguments.get("nms"))
    return ExportMetadata(
        names=_names(entries),
        task=entries.get("task"),
        stride=_stride(entries),
        size=_size(entries),
        description=f"{entries.get('description', '')} {entries.get('author', '')}".strip(),
        end_to_end=nms_inside or entries.get("end2end", "").strip().lower() == "true",
        keypoints=_keypoints(entries),
        keypoint_names=_keypoint_names(entries),
        head=entries.get("head", "").strip(),
    )


def _literal(entries: Mapping[str, str], key: str) -> Any:
    text = entries.get(key)
    if text is None or not text.strip():
        return None
    if len(text) > _LONGEST:
        raise _unreadable(key, text)
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise _unreadable(key, text) from error


def _names(entries: Mapping[str, str]) -> tuple[str, ...]:
    """`{0: 'person', 1: 'bicycle'}` or `['person', 'bicycle']`; a gap in the numbers is filled with the number."""
    value = _literal(entries, "names")
    if value is None:
        return ()
    if isinstance(value, dict) and value and all(isinstance(key, int) and 0 <= key < 100_000 for key in value):
        return in_order(value)
    if isinstance(value, (list, tuple)):
        return in_order(value)
    raise _unreadable("names", entries["names"])


def _stride(entries: Mapping[str, str]) -> int | None:
    value = _literal(entries, "stride")
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and value:
        value = max(value)
    if not isinstance(value, (int, float)) or value < 1:
        raise _unreadable("stride", entries["stride"])
    return int(value)


def _size(entries: Mapping[str, str]) -> tuple[int, int] | None:
    """`[height, width]`, or one number for both."""
    value = _literal(entries, "imgsz")
    if value is None:
        return None
    if isinstance(value, int):
        value = [value, value]
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 2 or not all(isinstance(v, int) for v in value):
        raise _unreadable("imgsz", entries["imgsz"])
    return value[-1], value[0]


def _keypoints(entries: Mapping[str, str]) -> tuple[int, int] | None:
    """`[17, 3]`: 17 points of x, y and visibility; with 2 they have no visibility."""
    value = _literal(entries, "kpt_shape")
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(isinstance(v, int) for v in value):
        raise _unreadable("kpt_shape", entries["kpt_shape"])
    if not 1 <= value[0] <= _MOST_KEYPOINTS or value[1] not in (2, 3):
        raise _unreadable("kpt_shape", entries["kpt_shape"])
    return value[0], value[1]


def _keypoint_names(entries: Mapping[str, str]) -> tuple[str, ...]:
    """`{0: ['nose', 'left_eye']}`, a list for each class, of which the first counts, or one list for all."""
    value = _literal(entries, "kpt_names")
    if isinstance(value, dict):
        value = next(iter(value.values()), None)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise _unreadable("kpt_names", entries["kpt_names"])
    return tuple(str(name) for name in value)


def _unreadable(key: str, text: str) -> ModelError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return ModelError(f"the metadata of the model file has a {key!r} that cannot be read: {shown}")
