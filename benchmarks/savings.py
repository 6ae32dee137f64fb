"""What `decode` of a video source saves: every n-th frame, key frames only, smaller frames, beside all of it.

    python -m benchmarks.savings

One decoder thread reads a 1080p video and copies each frame that is given, as a decoder process does. The figure is
processor time for one second of video; `x` is that over the time for all frames, in the same repetition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from support import media

from benchmarks.report import Report, Table, command, finish, parser
from benchmarks.samples import Rounds, ratios, spread, take_turns, values
from mpipeline.frame import plane_views
from mpipeline.sources.video import VideoOptions, VideoSource

ALL = "all frames"
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    ALL: {},
    "every: 5": {"every": 5},
    "keyframes_only: true": {"keyframes_only": True},
    "scale: 0.5": {"scale": 0.5},
    "scale: 0.25": {"scale": 0.25},
}
_CLIP = {"width": 1920, "height": 1080, "rate": 25, "frames": 100, "gop": 25}
VIDEOS = {
    "H.264, a key frame a second": media.VideoSpec(**_CLIP, b_frames=2, options=(("preset", "veryfast"),)),
    "Motion JPEG": media.VideoSpec(**_CLIP, codec="mjpeg", pix_fmt="yuvj420p", suffix=".avi"),
}


def main() -> None:
    """Measures and prints."""
    arguments = parser(__doc__).parse_args()
    report = Report("savings", "What a video source saves", command("savings"))
    rows: list[list[object]] = []
    for name, spec in VIDEOS.items():
        readers = {setting: reader(media.video(spec), spec, decode) for setting, decode in SETTINGS.items()}
        rounds = take_turns(readers, arguments.repetitions, name, minutes=arguments.minutes / len(VIDEOS))
        report.data[name] = rounds
        rows += rows_of(name, rounds)
    title = "Processor time for a second of 1080p at 25 frames a second"
    report.tables.append(Table(title, ("video", "`decode`", "ms", "x"), rows))
    finish(report, arguments)


def reader(video: Path, spec: media.VideoSpec, decode: Mapping[str, Any]) -> Callable[[], Mapping[str, float]]:
    """Reads the video once; milliseconds for a second of it."""

    def once() -> Mapping[str, float]:
        source = VideoSource("video", VideoOptions(uri=str(video), threads=1, decode=dict(decode)))
        begun = time.process_time_ns()
        source.open()
        payload = np.zeros(0, np.uint8)
        while (grabbed := source.grab()) is not None:
            if payload.size != grabbed.format.payload_bytes():
                payload = np.zeros(grabbed.format.payload_bytes(), np.uint8)
            source.retrieve(plane_views(grabbed.format, payload))
        source.close()
        return {"ms": (time.process_time_ns() - begun) / 1e6 * spec.rate / spec.frames}

    return once


def rows_of(video: str, rounds: Rounds) -> list[list[object]]:
    """A row for each setting."""
    return [
        [
            video,
            setting,
            spread(values(rounds, setting, "ms")).text("{:.0f}"),
            "" if setting == ALL else ratios(rounds, "ms", setting, ALL).text(),
        ]
        for setting in SETTINGS
    ]


if __name__ == "__main__":
    main()
