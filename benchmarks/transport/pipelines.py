"""The program that runs a no-op `InferencePipeline` over files, on our side and on the rival's; one import differs.

    python pipelines.py SIDE COUNT FILE ...

SIDE is `mpipeline` or `streamvision`. How many predictions have come is written to COUNT.
"""

import itertools
import sys
from pathlib import Path


def main():
    """Runs to the end of the files."""
    side, path, *files = sys.argv[1:]
    if side == "mpipeline":
        from mpipeline import InferencePipeline
    else:
        from streamvision.stream.pipeline import InferencePipeline
    counter = itertools.count()

    def on_prediction(predictions, frames):
        for frame in frames if isinstance(frames, list) else [frames]:
            if frame is not None:
                next(counter)

    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=files if len(files) > 1 else files[0],
        on_video_frame=lambda frames: [None] * len(frames),
        on_prediction=on_prediction,
    )
    pipeline.start()
    pipeline.join()
    Path(path).write_text(str(next(counter)), encoding="ascii")


if __name__ == "__main__":
    main()
