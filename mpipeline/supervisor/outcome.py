"""What a run comes to: its exit code, from how its workers have ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mpipeline.errors import EXIT_CONFIG, EXIT_DONE, EXIT_FAILED, EXIT_SOURCE_FAILED, Reason
from mpipeline.metrics.recorder import parse_key
from mpipeline.supervisor.child import Child, ProcessState


def exit_code(children: Iterable[Child], cut_short: bool) -> int:
    """0 if all went well; else the code of what failed for good.

    1 if a stop had to cut short unfinished work, or if a model or a sink has failed at every single frame.
    """
    workers = list(children)
    frames = sum(_counts(child.metrics()).get("frames_published", 0.0) for child in workers)
    useless = any(_only_failures(child.metrics(), frames) for child in workers)
    codes = {child.exit_code for child in workers if child.state is ProcessState.FATAL}
    for code in (EXIT_CONFIG, EXIT_SOURCE_FAILED):
        if code in codes:
            return code
    return EXIT_FAILED if codes or useless or cut_short else EXIT_DONE


def _only_failures(metrics: Mapping[str, float], frames: float) -> bool:
    """Whether a worker had work, of all those `frames`, and none of it succeeded.

    What a process did in the moments before it was killed is in no count: with frames that have killed one, nobody
    knows of the others, unless all have failed.
    """
    counts = _counts(metrics)
    failed = counts.get("frames_failed", 0.0) + counts.get("sink_errors", 0.0)
    if counts.get("frames_inferred", 0.0) + counts.get("predictions_written", 0.0):
        return False
    killed = any(
        parse_key(key)[1].get("reason") == Reason.CRASHED for key in metrics if key.startswith("frames_failed")
    )
    return failed >= frames if killed else failed > 0


def _counts(metrics: Mapping[str, float]) -> dict[str, float]:
    """Sums over all labels, by name."""
    counts: dict[str, float] = {}
    for key, value in metrics.items():
        name = key.partition("{")[0]
        counts[name] = counts.get(name, 0.0) + value
    return counts
