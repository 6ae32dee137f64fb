"""A pipeline that a signal ends in order: python interrupt.py REFERENCE MODEL"""

import signal
import sys

from mpipeline import InferencePipeline


def on_prediction(predictions, video_frame):
    print("frame", video_frame.frame_id, flush=True)


pipeline = InferencePipeline.init(
    model_id=sys.argv[2],
    video_reference=sys.argv[1],
    on_prediction=on_prediction,
)
signal.signal(signal.SIGINT, lambda signum, frame: pipeline.terminate())
pipeline.start()
pipeline.join()
print("over", flush=True)
