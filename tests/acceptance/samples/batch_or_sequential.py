"""A sink that takes single predictions and batches: python batch_or_sequential.py MODE MODEL REFERENCE…"""

import sys
from typing import Optional, Union

from mpipeline import InferencePipeline, SinkMode, VideoFrame


def on_prediction(
    predictions: Union[dict, list[Optional[dict]]],  # noqa: UP007, UP045 - as such programs are written
    video_frame: Union[VideoFrame, list[Optional[VideoFrame]]],  # noqa: UP007, UP045
) -> None:
    is_batch = issubclass(type(predictions), list)
    print("call", "batch" if is_batch else "single")
    if not is_batch:
        predictions = [predictions]
        video_frame = [video_frame]
    for prediction, frame in zip(predictions, video_frame, strict=True):
        if prediction is None:
            print("absent")
            continue
        print("frame", frame.source_id, frame.frame_id, len(prediction["predictions"]))


pipeline = InferencePipeline.init(
    video_reference=sys.argv[3:],
    model_id=sys.argv[2],
    on_prediction=on_prediction,
    sink_mode=SinkMode(sys.argv[1]),
)
pipeline.start()
pipeline.join()
