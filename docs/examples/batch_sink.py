"""Several videos drawn with annotators of `supervision`, side by side in one picture for each batch.

    python batch_sink.py people.onnx pictures shop.mp4 gate.mp4

Needs `pip install 'mpipeline[supervision]'`. With one video it works as well: `sink_mode=BATCH` then
gives lists of length 1.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import supervision as sv

from mpipeline import InferencePipeline, SinkMode
from mpipeline.inference_pipeline.sinks import create_tiles

MODEL, FOLDER, *VIDEOS = sys.argv[1:]
BLACK = np.zeros((180, 320, 3), np.uint8)
boxes, labels = sv.BoxAnnotator(), sv.LabelAnnotator()


def drawn(prediction, video_frame):
    detections = sv.Detections.from_inference(prediction)
    picture = boxes.annotate(video_frame.image.copy(), detections)
    return labels.annotate(picture, detections, labels=[one["class"] for one in prediction["predictions"]])


def on_prediction(predictions, video_frames):
    pairs = list(zip(predictions, video_frames, strict=True))
    pictures = [BLACK if frame is None else drawn(prediction, frame) for prediction, frame in pairs]
    newest = max(frame.frame_id for frame in video_frames if frame is not None)
    cv2.imwrite(f"{FOLDER}/{newest:06d}.jpg", create_tiles(pictures))


Path(FOLDER).mkdir(parents=True, exist_ok=True)
pipeline = InferencePipeline.init(
    video_reference=VIDEOS,
    model_id=MODEL,
    on_prediction=on_prediction,
    sink_mode=SinkMode.BATCH,
)
pipeline.start()
pipeline.join()
