"""One camera over the network: python camera_stream.py REFERENCE MODEL"""

import sys

from mpipeline import InferencePipeline, VideoFrame


def on_prediction(predictions: dict, video_frame: VideoFrame) -> None:
    print(video_frame.source_id, video_frame.frame_id, len(predictions["predictions"]), flush=True)


pipeline = InferencePipeline.init(
    model_id=sys.argv[2],
    video_reference=sys.argv[1],
    on_prediction=on_prediction,
    confidence=0.5,
)
pipeline.start()
pipeline.join()
