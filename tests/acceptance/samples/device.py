"""The first camera of this machine by its number: python device.py MODEL"""

import sys

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.sinks import render_boxes

pipeline = InferencePipeline.init(
    model_id=sys.argv[1],
    video_reference=0,
    on_prediction=render_boxes,
    video_source_properties={"frame_width": 1920.0, "frame_height": 1080.0, "fps": 30.0},
)
pipeline.start()
pipeline.join()
