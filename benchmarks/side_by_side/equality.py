"""Whether both sides give the same: frame ids, pixels, and what a detector finds in them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.side_by_side.runs import Arrival, Task, running
from benchmarks.side_by_side.sides import Side
from benchmarks.side_by_side.videos import exact_samples

_LIMIT_S = 180.0
Frames = dict[tuple[int, int], Any]  # (source, frame id) → the callable's value


def compare(sides: Sequence[Side], videos: Sequence[Path], detector: Path | None) -> dict[str, Any]:
    """Runs the fingerprint and the detector on both sides over the same files, and compares frame by frame."""
    references = [str(video) for video in videos]
    mine, others = (_frames(side, Task(references, logic="fingerprint")) for side in sides)
    result: dict[str, Any] = {
        "videos": [video.name for video in videos],
        "ids": ids(mine, others),
        "pixels": pixels(mine, others),
        "from_exact": {side.name: from_exact(found, videos) for side, found in zip(sides, (mine, others), strict=True)},
    }
    if detector is not None:
        task = Task(references, logic="detector", model=str(detector))
        result["detector"] = detector.name
        result["detections"] = detections(*(_frames(side, task) for side in sides))
    return result


def ids(mine: Frames, others: Frames) -> dict[str, Any]:
    """How many frames each side gave, and of how many the other knows nothing."""
    return {
        "mpipeline": len(mine),
        "rival": len(others),
        "equal": mine.keys() == others.keys(),
        "only_mpipeline": len(mine.keys() - others.keys()),
        "only_rival": len(others.keys() - mine.keys()),
    }


def pixels(mine: Frames, others: Frames) -> dict[str, Any]:
    """How far the pictures differ: identical ones by their checksums, values of 0..255 by the sampled pixels."""
    shared = sorted(mine.keys() & others.keys())
    differences = [
        np.abs(np.asarray(mine[key][1], np.int16) - np.asarray(others[key][1], np.int16))
        for key in shared
        if np.shape(mine[key][1]) == np.shape(others[key][1])
    ]
    every = np.concatenate([each.ravel() for each in differences]) if differences else np.zeros(1, np.int16)
    return {
        "frames": len(shared),
        "same_shape": len(differences),
        "identical": sum(mine[key][0] == others[key][0] for key in shared),
        "mean_difference": float(every.mean()),
        "p99_difference": int(np.percentile(every, 99)),
        "largest_difference": int(every.max()),
    }


def from_exact(found: Frames, videos: Sequence[Path]) -> dict[str, float]:
    """How far the sampled pixels are from what the colours' formulas give: bias, mean and largest distance."""
    exact = {
        (source, number): samples
        for source, video in enumerate(videos)
        for number, samples in enumerate(exact_samples(video), 1)
    }
    shared = found.keys() & exact.keys()
    errors = np.concatenate([(np.asarray(found[key][1], float) - exact[key]).ravel() for key in shared])
    return {"bias": errors.mean(), "mean": np.abs(errors).mean(), "largest": np.abs(errors).max()}


def detections(mine: Frames, others: Frames) -> dict[str, Any]:
    """Which detections have one of the same class with an overlap of 0.9 or more on the other side, and how near."""
    shared = sorted(mine.keys() & others.keys())
    pairs, total, same_count = [], 0, 0
    for key in shared:
        total += max(len(mine[key]), len(others[key]))
        same_count += len(mine[key]) == len(others[key])
        left = list(others[key])
        for one in mine[key]:
            match = next((other for other in left if other[0] == one[0] and _overlap(one[2:], other[2:]) >= 0.9), None)
            if match is not None:
                left.remove(match)
                pairs.append((one, match))
    scores = [abs(one[1] - other[1]) for one, other in pairs]
    edges = [max(abs(a - b) for a, b in zip(one[2:], other[2:], strict=True)) for one, other in pairs]
    return {
        "frames": len(shared),
        "frames_with_equal_count": same_count,
        "detections": total,
        "matched": len(pairs),
        "identical": sum(one == other for one, other in pairs),
        "median_score_difference": statistics.median(scores) if scores else 0.0,
        "largest_score_difference": max(scores, default=0.0),
        "median_edge_difference_px": statistics.median(edges) if edges else 0.0,
        "largest_edge_difference_px": max(edges, default=0.0),
    }


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared) if areas > shared else 1.0


def _frames(side: Side, task: Task) -> Frames:
    with running(side, task) as run:
        if not run.wait(_LIMIT_S):
            raise SystemExit(f"{side.name} did not end within {_LIMIT_S:.0f} s:\n{run.log[-4000:]}")
        arrivals: list[Arrival] = run.arrivals()
        if not arrivals:
            raise SystemExit(f"{side.name} gave no frame:\n{run.log[-4000:]}")
    found = {(arrival.source, arrival.frame_id): arrival.value for arrival in arrivals}
    if len(found) != len(arrivals):
        raise SystemExit(f"{side.name} gave {len(arrivals) - len(found)} frames twice")
    return found
