"""What of the predictions a sink gets: its `filter`, the same for every kind. docs/sinks.md is its prose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mpipeline.config.schema import FilterSpec
from mpipeline.prediction import Classification, Detections, Prediction

State = tuple[str, Counter[str]]  # the reason of a failure, or how many there are of each class


class Filter:
    """Leaves out detections by class and confidence, and frames by number, by change, and if nothing is left of them.

    `thinned` only looks, `passed` notes: what is tried again is judged again, and alike.
    """

    def __init__(self, spec: FilterSpec) -> None:
        self._spec = spec
        self._wanted = None if spec.classes is None else frozenset(spec.classes)
        self._last: dict[str, int] = {}  # source → frame id
        self._states: dict[str, State] = {}

    def begin(self, written: Mapping[str, int]) -> None:
        """These frames of each source were passed last, by a predecessor."""
        self._last.update(written)

    def thinned(self, prediction: Prediction) -> Prediction | None:
        """What the sink gets of it; None if that is nothing.

        A frame that could not be inferred has no classes to be judged by, and is no empty one: it is passed, unless
        it is not the turn of its number, or no change.
        """
        source = prediction.frame.source
        turn = (prediction.frame.frame_id - 1) // self._spec.every
        if self._spec.every > 1 and source in self._last and turn <= (self._last[source] - 1) // self._spec.every:
            return None
        left = self._chosen(prediction)
        if self._spec.on_change:
            return None if self._states.get(source) == _state(left) else left
        is_selective = self._wanted is not None or self._spec.confidence is not None
        return left if not is_selective or left.failure is not None or left.class_names() else None

    def passed(self, prediction: Prediction) -> None:
        """The sink has taken this one, which `thinned` has given."""
        source = prediction.frame.source
        self._last[source] = prediction.frame.frame_id
        if self._spec.on_change:
            self._states[source] = _state(prediction)

    def _chosen(self, prediction: Prediction) -> Prediction:
        """Without what is of another class, or not sure enough."""
        found = prediction.detections if prediction.detections is not None else prediction.classification
        if found is None:
            return prediction
        rows = self._rows(found)
        if len(rows) == len(found):
            return prediction
        left = found.select(rows)
        if isinstance(left, Classification):
            return replace(prediction, classification=left)
        return replace(prediction, detections=left)

    def _rows(self, found: Detections | Classification) -> list[int]:
        least = self._spec.confidence
        rows = range(len(found)) if least is None else np.flatnonzero(found.score >= np.float32(least)).tolist()
        if self._wanted is None:
            return list(rows)
        return [i for i in rows if found.class_name[i] in self._wanted or int(found.class_id[i]) in self._wanted]


def _state(prediction: Prediction) -> State:
    """What must differ for a change."""
    reason = prediction.failure.reason if prediction.failure is not None else ""
    return reason, Counter(prediction.class_names())
