"""Reads what a user's Python returns for a frame, in any of four forms, and refuses what is none of them.

* `Detections`, with masks, key points and tracks if there are any, a `Classification`, or an `Embedding`, as they are.
* An array (N, 6), or (0,) for nothing: x1, y1, x2, y2, score, class_id, in pixels of the source frame.
* A list of mappings with the keys x, y (the centre), width, height, confidence, and class and/or class_id. A class
  without class_id gets a number of its own, in the order of appearance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mpipeline.errors import BackendError
from mpipeline.prediction import Classification, Detections, Embedding, Findings

_FORMS = (
    "Detections, a Classification, an Embedding, an (N, 6) array of x1, y1, x2, y2, score, class_id, or a list of "
    "mappings with x, y, width, height, confidence, class, class_id"
)
_KEYS = ("x", "y", "width", "height", "confidence")


class ResultReader:
    """Turns results into findings; remembers the number of each class name it has seen."""

    def __init__(self, origin: str, names: Mapping[int, str]) -> None:
        """`origin` is named in errors; `names` are the class names by number."""
        self._origin = origin
        self._names = dict(names)
        self._ids = {name: class_id for class_id, name in self._names.items()}

    def read(self, results: Any, expected: int) -> list[Findings]:
        """The findings of each of `expected` frames, highest score first.

        Raises BackendError that says what was expected if the number, a form or a value is wrong.
        """
        if not isinstance(results, (list, tuple)):
            raise self._error(f"returned {type(results).__name__}; expected a list with one result for each frame")
        if len(results) != expected:
            raise self._error(f"returned {len(results)} results for {expected} frames; expected one for each, in order")
        return [self._one(result, i) for i, result in enumerate(results)]

    def _one(self, result: Any, index: int) -> Findings:
        if isinstance(result, Classification):
            return self._classification(result, index)
        if isinstance(result, Embedding):
            return self._embedding(result, index)
        if isinstance(result, Detections):
            rows, names = self._checked(result, index), result.class_name
        elif isinstance(result, np.ndarray):
            rows = self._from_array(result, index)
            names = tuple([self._names.get(i, str(i)) for i in rows[:, 5].astype(int).tolist()])
        elif isinstance(result, (list, tuple)):
            rows, names = self._from_mappings(result, index)
        else:
            raise self._error(f"returned {type(result).__name__} for frame {index}; expected {_FORMS}")
        if not len(rows) and not isinstance(result, Detections):
            return Detections.empty()
        if not np.isfinite(rows).all():
            raise self._error(f"returned a number that is not finite for frame {index}")
        if ((rows[:, 4] < 0) | (rows[:, 4] > 1)).any():
            raise self._error(f"returned a score outside 0..1 for frame {index}")
        if (rows[:, 2:4] < rows[:, :2]).any():
            raise self._error(f"returned a box whose right or bottom lies before its left or top for frame {index}")
        order = np.argsort(-rows[:, 4], kind="stable")
        rows = rows[order]
        columns = (rows[:, :4].astype(np.float32), rows[:, 4].astype(np.float32), rows[:, 5].astype(np.int32))
        found = Detections(*columns, tuple([names[i] for i in order.tolist()]))
        return self._with_more(found, result, order, index) if isinstance(result, Detections) else found

    def _with_more(self, found: Detections, given: Detections, order: npt.NDArray[Any], index: int) -> Detections:
        """The masks, key points and tracks that were given, in their new order."""
        masks, points, names, tracks = given.masks, given.keypoints, given.keypoint_name, given.tracker_id
        if masks is not None:
            if len(masks) != len(found):
                raise self._error(f"returned {len(masks)} masks for the {len(found)} detections of frame {index}")
            try:
                masks.check()
            except ValueError as error:
                raise self._error(f"returned masks that are none for frame {index}: {error}") from error
            masks = masks.select(order)
        if points is not None:
            points = np.asarray(points, np.float32)
            names = names or tuple(str(i) for i in range(points.shape[1] if points.ndim == 3 else 0))
            if points.shape != (len(found), len(names), 3):
                wanted = f"expected ({len(found)}, {len(names)}, 3)"
                raise self._error(f"returned key points of shape {points.shape} for frame {index}; {wanted}")
            if not np.isfinite(points).all() or ((points[:, :, 2] < 0) | (points[:, :, 2] > 1)).any():
                raise self._error(f"returned a key point that is not finite, or not of 0..1, for frame {index}")
            points = points[order]
        if tracks is not None:
            tracks = np.asarray(tracks)
            if tracks.shape != (len(found),) or tracks.dtype.kind not in "iu":
                what = f"{tracks.dtype} of shape {tracks.shape}"
                raise self._error(f"returned tracker ids {what} for the {len(found)} detections of frame {index}")
            tracks = tracks[order].astype(np.int64)
        return replace(found, masks=masks, keypoints=points, keypoint_name=names, tracker_id=tracks)

    def _classification(self, found: Classification, index: int) -> Classification:
        score, class_id = np.asarray(found.score, np.float32), np.asarray(found.class_id, np.int32)
        count = len(found.class_name)
        if (score.shape, class_id.shape) != ((count,), (count,)):
            shapes = f"{score.shape} and {class_id.shape}"
            raise self._error(
                f"returned a Classification with columns of shapes {shapes} and {count} names for frame {index}"
            )
        if not np.isfinite(score).all() or ((score < 0) | (score > 1)).any():
            raise self._error(f"returned a score outside 0..1 for frame {index}")
        order = np.argsort(-score, kind="stable")
        names = tuple([found.class_name[i] for i in order.tolist()])
        return replace(found, score=score[order], class_id=class_id[order], class_name=names)

    def _embedding(self, found: Embedding, index: int) -> Embedding:
        vector = np.asarray(found.vector, np.float32)
        if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
            raise self._error(f"returned an Embedding for frame {index} that is no vector of finite numbers")
        return Embedding(vector)

    def _checked(self, found: Detections, index: int) -> npt.NDArray[np.float64]:
        columns = [np.asarray(column) for column in (found.xyxy, found.score, found.class_id)]
        count = len(found.class_name)
        shapes = [column.shape for column in columns]
        if shapes != [(count, 4), (count,), (count,)]:
            raise self._error(
                f"returned Detections with columns of shapes {shapes} and {count} names for frame {index}"
            )
        return np.concatenate([columns[0], columns[1][:, None], columns[2][:, None]], axis=1).astype(np.float64)

    def _from_array(self, found: npt.NDArray[Any], index: int) -> npt.NDArray[np.float64]:
        if found.size == 0:
            return np.zeros((0, 6))
        if found.ndim != 2 or found.shape[1] != 6 or found.dtype.kind not in "fiu":
            raise self._error(f"returned an array {found.shape} of {found.dtype} for frame {index}; expected {_FORMS}")
        return found.astype(np.float64)

    def _from_mappings(self, found: Sequence[Any], index: int) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
        rows, names = np.zeros((len(found), 6)), []
        for row, entry in zip(rows, found, strict=True):
            if not isinstance(entry, Mapping):
                raise self._error(f"returned a list of {type(entry).__name__} for frame {index}; expected {_FORMS}")
            missing = [key for key in _KEYS if key not in entry]
            if missing or ("class" not in entry and "class_id" not in entry):
                lacking = ", ".join(missing) or "class or class_id"
                raise self._error(f"returned a detection without {lacking} for frame {index}")
            try:
                x, y, width, height, score = (float(entry[key]) for key in _KEYS)
                class_id, name = self._class_of(entry)
            except (TypeError, ValueError) as error:
                raise self._error(
                    f"returned a detection that is not made of numbers for frame {index}: {error}"
                ) from error
            row[:] = x - width / 2, y - height / 2, x + width / 2, y + height / 2, score, class_id
            names.append(name)
        return rows, tuple(names)

    def _class_of(self, entry: Mapping[str, Any]) -> tuple[int, str]:
        if "class_id" in entry:
            class_id = int(entry["class_id"])
            return class_id, str(entry.get("class", self._names.get(class_id, class_id)))
        name = str(entry["class"])
        return self._ids.setdefault(name, max(self._ids.values(), default=-1) + 1), name

    def _error(self, text: str) -> BackendError:
        return BackendError(f"{self._origin} {text}")
