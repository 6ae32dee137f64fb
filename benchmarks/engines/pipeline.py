"""The program that runs a detector of `callables.py` in the rival's `InferencePipeline`, over files.

    python pipeline.py TASK.json

The task has `model`, `family`, `threads` of ONNX Runtime, `files`, `moments`, where the time of each arrival is
written, and `detections`, where they go as JSON lines; empty: nowhere.
"""

import json
import sys
import time
from pathlib import Path

from callables import FAMILIES


def main():
    """Runs to the end of the files."""
    from streamvision.stream.pipeline import InferencePipeline

    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    detector = FAMILIES[task["family"]](task["model"], task["threads"])
    moments, lines = [], []

    def on_prediction(predictions, frames):
        pairs = zip(predictions, frames, strict=True) if isinstance(frames, list) else [(predictions, frames)]
        for prediction, frame in pairs:
            if frame is not None:
                moments.append(time.monotonic())
                if task["detections"]:
                    lines.append(json.dumps([frame.source_id, frame.frame_id, prediction]))

    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=task["files"] if len(task["files"]) > 1 else task["files"][0],
        on_video_frame=lambda frames: [detector(frame.image) for frame in frames],
        on_prediction=on_prediction,
    )
    pipeline.start()
    pipeline.join()
    Path(task["moments"]).write_text(json.dumps(moments), encoding="ascii")
    if task["detections"]:
        Path(task["detections"]).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


if __name__ == "__main__":
    main()
