"""A model over one video, its predictions drawn into the frames and shown.

    python quick_start.py lobby.mp4 people.onnx
    python quick_start.py https://example.com/lobby.mp4 yolov8n-640      # an id is fetched, with ROBOFLOW_API_KEY
    python quick_start.py rtsp://192.168.1.20/stream1 people.onnx        # until Ctrl-C

Needs the library that draws: `pip install 'mpipeline[supervision]'`. Where no window can be opened the log says how
the pictures can be seen.
"""

import sys

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.sinks import render_boxes

pipeline = InferencePipeline.init(
    video_reference=sys.argv[1],
    model_id=sys.argv[2],
    on_prediction=render_boxes,
    confidence=0.4,
)
pipeline.start()
pipeline.join()
