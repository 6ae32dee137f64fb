"""Programs that attach to a run, for tests: `python -m support.attaching RUN NAME OUTPUT [OPTIONS]`.

Writes a line for each prediction: source, frame id, and whether the pixels are those that the synthetic source paints
(`right`, `wrong`, `none`); of a run with several models, the model too. Ends with the line `over` when the run does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from mpipeline import attach
from mpipeline.errors import MpipelineError
from mpipeline.frame import Frame, plane_views
from mpipeline.sources.synthetic import SyntheticOptions, scene_of
from mpipeline.sources.synthetic_painter import SyntheticPainter

SHARED = {"name", "kind", "delivery", "max_fps", "slots", "models"}  # keys that every source may have


class Truth:
    """What each frame of a config's synthetic sources must look like."""

    def __init__(self, config: Path) -> None:
        sources = yaml.safe_load(config.read_text())["sources"]
        self._options: Mapping[str, SyntheticOptions] = {
            source["name"]: SyntheticOptions(**{k: v for k, v in source.items() if k not in SHARED})
            for source in sources
        }
        self._painters: dict[str, SyntheticPainter] = {}

    def judge(self, frame: Frame | None) -> str:
        """right, wrong or none. The scene's time is read from the pts."""
        if frame is None:
            return "none"
        name = frame.meta.source
        options = self._options[name]
        if name not in self._painters:
            self._painters[name] = SyntheticPainter(scene_of(name, options), frame.format)
        expected = plane_views(frame.format, np.zeros(frame.format.payload_bytes(), np.uint8))
        self._painters[name].paint(round((frame.meta.pts or 0.0) * options.rate), expected)
        return "right" if all(map(np.array_equal, expected, frame.planes)) else "wrong"


def main() -> int:
    """Attaches until the run ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("name")
    parser.add_argument("output", type=Path)
    parser.add_argument("--no-frames", action="store_true")
    parser.add_argument("--wait", action="store_true", help="hold the first frame until killed")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--leave-after", type=int, default=0, help="predictions")
    given = parser.parse_args()
    truth = Truth(Path(f"{given.run}.yaml"))
    try:
        joined = attach(given.run, name=given.name, frames=not given.no_frames, models=given.model)
    except MpipelineError as error:
        print(type(error).__name__, error, file=sys.stderr)
        return error.exit_code
    count = 0
    with joined, given.output.open("w") as output:
        for prediction, frame in joined:
            words = [prediction.frame.source, prediction.frame.frame_id, truth.judge(frame), prediction.model]
            print(*words[: 4 if prediction.model else 3], file=output, flush=True)
            count += 1
            if count == given.leave_after:
                return 0
            while given.wait:
                time.sleep(1.0)
        print("over", file=output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
