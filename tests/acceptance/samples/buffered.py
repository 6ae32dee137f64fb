"""Predictions that the program takes itself: python buffered.py REFERENCE MODEL"""

import sys

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.sinks import InMemoryBufferSink

buffer = InMemoryBufferSink.init(queue_size=64)
pipeline = InferencePipeline.init(
    model_id=sys.argv[2],
    video_reference=sys.argv[1],
    on_prediction=buffer.on_prediction,
)
pipeline.start(use_main_thread=False)
pipeline.join()
while not buffer.empty():
    predictions, frames = buffer.consume_prediction()
    print(frames[0].frame_id, frames[0].image.shape, len(predictions[0]["predictions"]))
