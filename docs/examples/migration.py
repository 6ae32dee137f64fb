"""A program that was written for Roboflow's `inference`: only its import lines, kept here as comments, are others.

    python migration.py lobby.mp4 people.onnx out.mp4

Needs `pip install 'mpipeline[supervision]'`.
"""

import sys
from functools import partial

# from inference import InferencePipeline
# from inference.core.interfaces.stream.sinks import VideoFileSink, multi_sink
# from inference.core.interfaces.stream.watchdog import BasePipelineWatchDog
from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.sinks import VideoFileSink, multi_sink
from mpipeline.inference_pipeline.watchdog import BasePipelineWatchDog

VIDEO, MODEL, RECORDING = sys.argv[1:4]


def print_classes(predictions, video_frame):
    print(video_frame.frame_id, [one["class"] for one in predictions["predictions"]])


watchdog = BasePipelineWatchDog()
video_sink = VideoFileSink.init(video_file_name=RECORDING, quiet=True)
pipeline = InferencePipeline.init(
    video_reference=VIDEO,
    model_id=MODEL,
    on_prediction=partial(multi_sink, sinks=[print_classes, video_sink.on_prediction]),
    watchdog=watchdog,
    confidence=0.5,
    iou_threshold=0.5,
)
pipeline.start(use_main_thread=False)
pipeline.join()
video_sink.release()
print("frames a second:", round(watchdog.get_report().inference_throughput))
