"""A model of your own, whatever it is, over a video; what it says of each frame becomes a JSON file.

    python custom_model.py lobby.mp4 out

`infer` gets the frames of a batch, one of each source at most, and returns one result for each.
"""

import json
import sys
from pathlib import Path

from mpipeline import InferencePipeline

VIDEO, FOLDER = sys.argv[1], Path(sys.argv[2])


class Brightness:
    """In the place of a network."""

    def __init__(self, threshold):
        self.threshold = threshold

    def infer(self, video_frames):
        levels = [float(frame.image.mean()) for frame in video_frames]
        return [{"level": level, "is_night": level < self.threshold} for level in levels]


def save_prediction(prediction, video_frame):
    (FOLDER / f"{video_frame.frame_id}.json").write_text(json.dumps(prediction))


FOLDER.mkdir(parents=True, exist_ok=True)
my_model = Brightness(threshold=40)
pipeline = InferencePipeline.init_with_custom_logic(
    video_reference=VIDEO,
    on_video_frame=my_model.infer,
    on_prediction=save_prediction,
)
pipeline.start()
pipeline.join()
