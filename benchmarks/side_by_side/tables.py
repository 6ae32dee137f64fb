"""The result as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report import markdown

_HEADS = {
    "frames_per_s": ("frames/s", "{:.0f}"),
    "whole_run_s": ("whole run, s", "{:.2f}"),
    "first_prediction_s": ("start to first prediction, s", "{:.2f}"),
    "cpu_s": ("processor time, s", "{:.2f}"),
    "memory_mib": ("memory, MiB", "{:.0f}"),
    "frames": ("frames processed", "{:.0f}"),
    "age_ms": ("age at the sink, ms", "{:.0f}"),
}


def show(result: Mapping[str, Any]) -> str:
    """All tables of a result, the parts that it has."""
    first, second = (side["name"] for side in result["about"]["sides"])
    parts = [about(result["about"])]
    if "equality" in result:
        parts += ["## The same frames and predictions", equality(result["equality"])]
    if "figures" in result:
        parts += ["## Speed, processor time, memory", figures(result["figures"], first, second)]
    if "trials" in result:
        rows = [[trial["name"], trial[second]["told"], trial[first]["told"]] for trial in result["trials"]]
        parts += ["## Where the original falls short", markdown(["trial", second, first], rows)]
    return "\n\n".join(parts)


def about(found: Mapping[str, Any]) -> str:
    """The machine and the versions."""
    sides = "; ".join(
        f"{side['name']}: " + ", ".join(f"{name} {version}" for name, version in side["versions"].items())
        for side in found["sides"]
    )
    return (
        f"{found['cpus']} cores ({found['processor']}), {found['memory_gib']} GiB, Linux {found['kernel']}, "
        f"Python {found['python']}. Video {found['video']}. {sides}."
    )


def equality(found: Mapping[str, Any]) -> str:
    """What was compared, and how it came out."""
    rows = []
    for name, each in found.items():
        ids, pixels = each["ids"], each["pixels"]
        rows.append([f"{name}: frame ids", f"{ids['mpipeline']} and {ids['rival']}, {_equal(ids['equal'])}"])
        rows.append(
            [
                f"{name}: pixels",
                f"{pixels['identical']} of {pixels['frames']} frames identical; difference of 0..255: mean "
                f"{pixels['mean_difference']:.2f}, 99 % at most {pixels['p99_difference']}, largest "
                f"{pixels['largest_difference']}",
            ]
        )
        for side, error in each["from_exact"].items():
            told = f"mean {error['mean']:.2f}, largest {error['largest']:.1f}, bias {error['bias']:+.2f}"
            rows.append([f"{name}: {side} from the exact conversion", told])
        if "detections" in each:
            rows.append([f"{name}: detections of {each['detector']}", detections(each["detections"])])
    return markdown(["compared", "result"], rows)


def detections(boxes: Mapping[str, Any]) -> str:
    """How near the two sides' boxes are."""
    return (
        f"{boxes['matched']} of {boxes['detections']} matched ({boxes['identical']} identical), as many in "
        f"{boxes['frames_with_equal_count']} of {boxes['frames']} frames; score differs by "
        f"{boxes['median_score_difference']:.4f} (median; largest {boxes['largest_score_difference']:.3f}), edges by "
        f"{boxes['median_edge_difference_px']:.2f} px (largest {boxes['largest_edge_difference_px']:.1f})"
    )


def figures(found: Mapping[str, Any], first: str, second: str) -> str:
    """A row for each case and figure."""
    rows = []
    for case, measured in found.items():
        for figure, each in measured["figures"].items():
            head, form = _HEADS[figure]
            spread = f"{each['ratio']:.2f} ({each['least_ratio']:.2f} to {each['largest_ratio']:.2f})"
            rows.append([case, head, form.format(each[second]), form.format(each[first]), spread])
    return markdown(["case", "figure", second, first, f"{first} / {second}"], rows)


def _equal(is_equal: bool) -> str:
    return "the same" if is_equal else "NOT the same"
