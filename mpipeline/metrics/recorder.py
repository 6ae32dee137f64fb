"""Counts: the metrics of one loop, cheap enough for every frame."""

from __future__ import annotations

from collections.abc import Mapping

from mpipeline.metrics.catalog import CATALOG, Kind, Metric

_Given = tuple[str, tuple[tuple[str, str], ...]]
_ESCAPES = str.maketrans({mark: f"\\{mark}" for mark in "\\,={}"})


class Recorder:
    """The values of the catalog's metrics, for one thread. What is not in the catalog is a ValueError.

    A value is looked up by what the caller gave, as it was given; only the first use is checked and put in order.
    """

    def __init__(self, catalog: Mapping[str, Metric] = CATALOG) -> None:
        self._catalog = catalog
        self._values: dict[str, list[float]] = {}  # lists of one number, so that several spellings share it
        self._counters: dict[_Given, list[float]] = {}
        self._gauges: dict[_Given, list[float]] = {}

    def add(self, name: str, n: float = 1, **labels: str) -> None:
        """Adds `n` to a counter."""
        given = (name, tuple(labels.items()))
        value = self._counters.get(given)
        if value is None:
            value = self._counters[given] = self._admit(name, labels, "counter")
        value[0] += n

    def set(self, name: str, value: float, **labels: str) -> None:
        """Sets a gauge."""
        given = (name, tuple(labels.items()))
        cell = self._gauges.get(given)
        if cell is None:
            cell = self._gauges[given] = self._admit(name, labels, "gauge")
        cell[0] = value

    def snapshot(self) -> dict[str, float]:
        """All values that were ever touched, by `metric_key`."""
        # A copy: a thread of the model may be the first to count something.
        return {key: value[0] for key, value in list(self._values.items())}

    def _admit(self, name: str, labels: Mapping[str, str], kind: Kind) -> list[float]:
        metric = self._catalog.get(name)
        if metric is None:
            raise ValueError(f"unknown metric {name!r}; add it to mpipeline/metrics/catalog.py")
        if metric.kind != kind:
            raise ValueError(f"metric {name!r} is a {metric.kind}, not a {kind}")
        if set(labels) != set(metric.labels):
            raise ValueError(f"metric {name!r} has the labels {sorted(metric.labels)}, not {sorted(labels)}")
        return self._values.setdefault(metric_key(name, labels), [0])


def metric_key(name: str, labels: Mapping[str, str]) -> str:
    r"""`frames_dropped{reason=expired,source=gate}`: labels by name; `\ , = { }` in a value are escaped by `\`."""
    if not labels:
        return name
    pairs = ",".join(f"{label}={labels[label].translate(_ESCAPES)}" for label in sorted(labels))
    return f"{name}{{{pairs}}}"


def parse_key(key: str) -> tuple[str, dict[str, str]]:
    """Name and labels of a `metric_key`."""
    name, _, rest = key.partition("{")
    labels: dict[str, str] = {}
    label, text, escaped = "", "", False
    for mark in rest:
        if escaped or mark not in "\\,=}":
            text, escaped = text + mark, False
        elif mark == "\\":
            escaped = True
        elif mark == "=":
            label, text = text, ""
        else:
            labels[label], text = text, ""
    return name, labels
