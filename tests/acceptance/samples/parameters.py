"""What a model and a source can be told: python parameters.py REFERENCE REFERENCE MODEL"""

import sys

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.entities import BufferConsumptionStrategy, BufferFillingStrategy


def on_prediction(predictions, video_frames):
    for prediction, frame in zip(predictions, video_frames, strict=True):
        if frame is not None:
            print(frame.source_id, frame.frame_id, [one["confidence"] for one in prediction["predictions"]])


pipeline = InferencePipeline.init(
    video_reference=sys.argv[1:3],
    model_id=sys.argv[3],
    on_prediction=on_prediction,
    max_fps=100,
    confidence=0.3,
    iou_threshold=0.95,
    class_agnostic_nms=True,
    max_detections=2,
    source_buffer_filling_strategy=BufferFillingStrategy.WAIT,
    source_buffer_consumption_strategy=BufferConsumptionStrategy.LAZY,
    video_source_properties=[{"pos_msec": 1000.0}, None],
    batch_collection_timeout=5.0,
)
pipeline.start()
pipeline.join()
