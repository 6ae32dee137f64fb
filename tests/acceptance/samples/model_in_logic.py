"""A model that is called by logic of one's own: python model_in_logic.py MODEL REFERENCE…"""

import sys
from typing import Any

from mpipeline import InferencePipeline, VideoFrame, get_model


class MyModel:
    def __init__(self, model_id: str):
        self._model = get_model(model_id, api_key="not needed for a model that is here")

    def infer(self, video_frames: list[VideoFrame]) -> list[Any]:
        return self._model.infer([v.image for v in video_frames])


def on_prediction(predictions, video_frames):
    for prediction, frame in zip(predictions, video_frames, strict=True):
        if frame is not None:
            print(frame.source_id, frame.frame_id, [one["class"] for one in prediction["predictions"]])


my_model = MyModel(sys.argv[1])
pipeline = InferencePipeline.init_with_custom_logic(
    video_reference=sys.argv[2:],
    on_video_frame=my_model.infer,
    on_prediction=on_prediction,
)
pipeline.start()
pipeline.join()
