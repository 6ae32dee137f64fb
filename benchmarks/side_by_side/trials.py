"""What each side does where the original is known to fall short: trials, each with what was seen and a word for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import cameras_fail, programs_end
from benchmarks.side_by_side.sides import Side

Observation = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """`observe(side, video)` runs it and gives what was seen, `times` times where chance has a part in it; `tell` says
    in words what was seen each time."""

    name: str
    observe: Callable[[Side, Path], Observation]
    tell: Callable[..., str]
    times: int = 1

    def result(self, side: Side, video: Path) -> dict[str, Any]:
        """What was seen on this side, and how it is told."""
        seen = [dict(self.observe(side, video)) for _ in range(self.times)]
        return {"seen": seen, "told": self.tell(*seen)}


def _declared(seen: Observation) -> str:
    return f"{seen['processed']} of {seen['sent']} frames processed"


def _address(seen: Observation) -> str:
    end = f"ended after {seen['frames']} frames" if seen["ended"] else f"still running, frame id {seen['last_id']}"
    return f"{end}; {seen['processed_of_first_pass']} of {seen['in_file']} processed in the first pass"


def _gap(seen: Observation) -> str:
    return f"{seen['longest_gap_s']:.1f} s without a frame of the other camera"


def _backlog(seen: Observation) -> str:
    return f"{seen['growth_mib']:+.0f} MiB after {seen['seconds']:.0f} s"


def _age(seen: Observation) -> str:
    return f"frames are {seen['age_s']:.2f} s old after {seen['seconds']:.0f} s"


def _last(seen: Observation) -> str:
    return f"last frame processed: {seen['last_id']} of {seen['in_file']}"


def _end(seen: Observation) -> str:
    raised = f"`{seen['stage']}` raises {seen['raised']}" if seen["raised"] else "nothing is raised"
    if seen["exited"]:
        return f"{raised}; the process ends"
    return f"{raised}; the process still runs {seen['limit_s']:.0f} s later"


def _interrupted(seen: Observation) -> str:
    if seen["exited"]:
        return f"ends within {seen['seconds']:.1f} s"
    return f"still runs {seen['limit_s']:.0f} s later"


def _again(*seen: Observation) -> str:
    frames = _listed(str(each["second"]) for each in seen)
    ends = sum(each["exited"] for each in seen)
    return f"{frames} of {seen[0]['in_file']} frames the second time; the process ends in {ends} of {len(seen)} runs"


def _back(*seen: Observation) -> str:
    busy = _listed(f"{each['cores_while_away']:.2f}" for each in seen)
    back = _listed("not" if each["back_s"] is None else f"{each['back_s']:.1f} s" for each in seen)
    return f"{busy} cores busy while it is away; frames again {back} after it is back"


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}"


def _short(seen: Observation) -> str:
    raised = f"{seen['raised']} is raised" if seen["raised"] else "nothing is raised"
    return f"{seen['predictions']} of {seen['in_file']} frames come to the sink; {raised}"


def _counted(seen: Observation) -> str:
    return f"{seen['missing']} frames missing, {seen['told']} of them told as FRAME_DROPPED"


TRIALS = (
    Trial("camera sends 7 % fewer frames than it declares", cameras_fail.slower_than_declared, _declared),
    Trial("file at an http address", cameras_fail.file_by_http, _address),
    Trial("one of two cameras falls silent for 5 s", cameras_fail.silent_neighbour, _gap),
    Trial("the only camera's server is away for 6 s", cameras_fail.server_away, _back, times=3),
    Trial("slow callable at a camera: are drops told?", cameras_fail.drops_told, _counted),
    Trial("slow sink at a camera (7.5 of 15 frames/s)", cameras_fail.slow_sink_live, _age),
    Trial("slow sink at a file (20 frames/s): memory", programs_end.slow_sink_file, _backlog),
    Trial("EAGER consumption of a file, slow callable", programs_end.last_frames, _last),
    Trial("callable returns one result too few now and then", programs_end.short_results, _short),
    Trial("callable raises", programs_end.callable_raises, _end),
    Trial("file does not exist", programs_end.missing_file, _end),
    Trial("one of two files does not exist", programs_end.one_missing_file, _end),
    Trial("Ctrl-C", programs_end.interrupted, _interrupted),
    Trial("started again after its end", programs_end.again_after_end, _again, times=3),
    Trial("started again after `terminate()`", programs_end.again_after_terminate, _again, times=3),
)
